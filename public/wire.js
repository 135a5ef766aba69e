// One exchange with the server: send it, and keep what went over the wire. Knows nothing of the page.

const REASONS = {
  200: 'OK', 201: 'Created', 204: 'No Content', 206: 'Partial Content', 301: 'Moved Permanently', 304: 'Not Modified',
  400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed', 409: 'Conflict',
  412: 'Precondition Failed', 413: 'Content Too Large', 415: 'Unsupported Media Type', 416: 'Range Not Satisfiable',
  428: 'Precondition Required', 500: 'Internal Server Error', 503: 'Service Unavailable', 507: 'Insufficient Storage',
};

// HTTP/2 and later send no reason phrase, so the table is asked first.
export const reason = (status, sent) => REASONS[status] ?? sent ?? '';

// Paths are relative to the page, which may be mounted below a prefix.
export const locate = (path) => new URL(path, document.baseURI);

export function protocol() {
  const [visit] = performance.getEntriesByType('navigation');
  return { h2: 'HTTP/2', h3: 'HTTP/3' }[visit?.nextHopProtocol] ?? 'HTTP/1.1';
}

/**
 * Sends one request past the browser's cache and resolves to `{ request, answer }`. `no-store` and a condition of our
 * own make fetch hand over a 304 as it came, instead of the cached copy. Rejects when no whole answer arrives.
 */
export async function send({ method = 'GET', path, fields = {}, body }) {
  const url = locate(path);
  const started = performance.now();
  const response = await fetch(url, { method, headers: fields, body, cache: 'no-store' });
  const bytes = new Uint8Array(await response.arrayBuffer());
  return {
    request: { method, url, fields, body },
    answer: {
      status: response.status,
      reason: reason(response.status, response.statusText),
      fields: response.headers,
      tag: response.headers.get('ETag'),
      bytes,
      milliseconds: Math.max(1, Math.round(performance.now() - started)),
    },
  };
}

export const text = (bytes) => new TextDecoder().decode(bytes);

/** The size of the whole file, from a 200, a HEAD, or the end of Content-Range. */
export function fileSize({ fields, bytes }) {
  const range = /\/(\d+)$/.exec(fields.get('Content-Range') ?? '');
  return Number(range?.[1] ?? fields.get('Content-Length') ?? bytes.length);
}

const quoted = (word) => `'${word.replaceAll("'", `'\\''`)}'`;
const plain = (word) => (/^[\w:/.,~%-]+$/.test(word) ? word : quoted(word));

/** The curl command that sends the same request. A body that is not to be printed goes to /dev/null. */
export function curl({ method = 'GET', path, fields = {}, body }) {
  const words = ['curl'];
  if (method === 'HEAD') words.push('-I');
  else if (/\.(png|webp|avif)$/.test(path)) words.push('-s -D - -o /dev/null');
  else words.push('-i');
  if (method !== 'GET' && method !== 'HEAD') words.push('-X', method);
  for (const [name, value] of Object.entries(fields)) words.push('-H', quoted(`${name}: ${identityTag(value)}`));
  if (body !== undefined) words.push('--data-binary', quoted(body));
  words.push(plain(locate(path).href));
  return words.join(' ');
}

// The browser may have been given a compressed variant, whose tag ends in `.br` or the like. curl asks for no coding.
const identityTag = (value) => value.replace(/^("[\w-]+)\.[a-z.]+"$/, '$1"');
