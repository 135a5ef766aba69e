<?php
// Saves a page under the tag of a version that is not there any more. The server answers 412, and changes nothing.
//
//   php php-precondition-failed.php [URL]

$url = ($argv[1] ?? (getenv('IFMATCH_URL') ?: 'http://127.0.0.1:8080')) . '/page.txt';

$request = curl_init($url);
curl_setopt_array($request, [
    CURLOPT_CUSTOMREQUEST => 'PUT',
    CURLOPT_POSTFIELDS => "my version\n",
    CURLOPT_HTTPHEADER => ['Content-Type: text/plain', 'If-Match: "yesterday"'],
    CURLOPT_RETURNTRANSFER => true,
]);
$answer = curl_exec($request);
if ($answer === false) {
    fwrite(STDERR, curl_error($request) . "\n");
    exit(1);
}

switch (curl_getinfo($request, CURLINFO_RESPONSE_CODE)) {
    case 201:
    case 204:
        echo "Saved.\n";
        break;
    case 412:
        echo "Precondition failed.\n";
        break;
    default:
        fwrite(STDERR, "$answer\n");
        exit(1);
}
