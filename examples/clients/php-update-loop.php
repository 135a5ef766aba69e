<?php
// Adds 1 to a number in a file, TIMES times, while others may do the same. This is optimistic: nothing is locked. The
// number is saved only if the file is still what was read, and when it is not, all begins again. No count is lost.
//
//   php php-update-loop.php [URL [TIMES]]

$url = ($argv[1] ?? (getenv('IFMATCH_URL') ?: 'http://127.0.0.1:8080')) . '/counter.txt';
$times = (int) ($argv[2] ?? 10);
$connection = curl_init();

function give_up(string $why): never
{
    fwrite(STDERR, "$why\n");
    exit(1);
}

/** Sends a request; returns the status, the entity tag and the body of the answer. */
function send(string $method, array $fields = [], string $body = ''): array
{
    global $connection, $url;
    $tag = null;
    curl_reset($connection);
    curl_setopt_array($connection, [
        CURLOPT_URL => $url,
        CURLOPT_CUSTOMREQUEST => $method,
        CURLOPT_HTTPHEADER => $fields,
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_HEADERFUNCTION => function ($connection, string $line) use (&$tag): int {
            if (stripos($line, 'ETag:') === 0) {
                $tag = trim(substr($line, 5));
            }
            return strlen($line);
        },
    ]);
    if ($method === 'PUT') {
        curl_setopt($connection, CURLOPT_POSTFIELDS, $body);
    }
    $answer = curl_exec($connection);
    if ($answer === false) {
        give_up(curl_error($connection));
    }
    return [curl_getinfo($connection, CURLINFO_RESPONSE_CODE), $tag, $answer];
}

function add_one(): void
{
    do {
        [$status, $tag, $number] = send('GET');
        if ($status !== 200) {
            give_up("reading: $status");
        }
        $next = (int) $number + 1;
        [$status] = send('PUT', ['Content-Type: text/plain', "If-Match: $tag"], "$next\n");
    } while ($status === 412); // somebody else was faster: read again
    if ($status !== 204) {
        give_up("saving: $status");
    }
}

for ($done = 0; $done < $times; $done++) {
    add_one();
}
echo "added $times\n";
