// Draws exchanges and tags. Everything that came from the server enters the page as text, never as markup.

import { protocol, text } from './wire.js';

export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

export const number = (value) => value.toLocaleString('en');
export const bytes = (count) => `${number(count)} ${count === 1 ? 'byte' : 'bytes'}`;

const kind = (status) => `s${Math.floor(status / 100)}`;

export function say(place, { status, reason }, sentence) {
  place.replaceChildren(element('b', { class: kind(status) }, `${status} ${reason}.`), ` ${sentence}`);
}

// The order in which they are shown; anything else an answer carries is left out.
const SHOWN = ['Allow', 'Accept-Ranges', 'ETag', 'Last-Modified', 'Content-Type', 'Content-Length', 'Content-Range',
  'Cache-Control', 'Vary', 'Retry-After'];
const TOLD = /^(ETag|If-|Range|Content-Range|Allow)/i;

/** One exchange as a list item: the request on the left, the answer on the right. */
export function exchange({ request, answer }, who = '') {
  const { method, url, fields, body } = request;
  const asked = [line([element('b', {}, method), ` ${url.pathname}${url.search} ${protocol()}`]), field('Host', url.host)];
  for (const [name, value] of Object.entries(fields)) asked.push(field(name, value));
  if (body !== undefined) asked.push(blank(), ...excerptOfText(body));

  const told = [line([`${protocol()} `, element('b', { class: kind(answer.status) }, `${answer.status} ${answer.reason}`)])];
  for (const name of SHOWN) if (answer.fields.has(name)) told.push(field(name, answer.fields.get(name)));
  const problem = readProblem(answer);
  told.push(blank(), ...(problem ? [note('the problem document:')] : excerpt(method, answer)));

  const right = element('div', { class: 'told' }, caption('Answer', `${answer.milliseconds} ms`), pre(told));
  if (problem) right.append(problem);
  return element('li', {}, element('div', { class: 'asked' }, caption('Request', who), pre(asked)), right);
}

const caption = (name, aside) => element('p', { class: 'caption' }, element('span', {}, name), element('span', {}, aside));
const pre = (lines) => element('pre', {}, element('code', {}, ...lines));
const line = (children, style = 'line') => element('span', { class: style }, ...children, '\n');
const field = (name, value) => line([element('span', { class: 'name' }, `${name}:`), ` ${value}`], TOLD.test(name) ? 'line told-field' : 'line');
const blank = () => line([], 'line blank');
const note = (words) => line([words], 'line remark');

function excerpt(method, answer) {
  if (method === 'HEAD') return [note('no body: HEAD')];
  if (answer.bytes.length === 0) return [note('no body')];
  const type = answer.fields.get('Content-Type') ?? '';
  if (/^text\/|json/.test(type)) return excerptOfText(text(answer.bytes));
  return hexadecimal(answer.bytes, answer.status === 206 ? 64 : 16);
}

function excerptOfText(body) {
  const all = body.replace(/\n$/, '').split('\n');
  const shown = all.slice(0, 6).map((words) => line([words.length > 90 ? `${words.slice(0, 90)}…` : words]));
  if (all.length > 6) shown.push(note(`and ${number(all.length - 6)} lines more`));
  return shown;
}

function hexadecimal(body, limit) {
  const lines = [];
  for (let at = 0; at < Math.min(limit, body.length); at += 8) {
    const row = [...body.subarray(at, Math.min(at + 8, body.length))];
    const pairs = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ').padEnd(23);
    const letters = row.map((byte) => (byte > 32 && byte < 127 ? String.fromCharCode(byte) : '·')).join('');
    lines.push(line([`${pairs}  `, element('span', { class: 'letters' }, letters)], 'line hex'));
  }
  if (body.length > limit) lines.push(note(`and ${bytes(body.length - limit)} more`));
  return lines;
}

// RFC 9457: title, status and detail, and the members this server adds. Null when the answer is no such document.
function readProblem({ fields, bytes: body }) {
  if (!/^application\/problem\+json/.test(fields.get('Content-Type') ?? '')) return null;
  try {
    const { type, title, status, detail, ...more } = JSON.parse(text(body));
    const members = Object.entries({ type, title, status, detail, ...more }).filter(([, value]) => value !== undefined);
    const rows = members.map(([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, String(value))));
    return element('dl', { class: 'problem' }, ...rows);
  } catch {
    return null;
  }
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const SVG = 'http://www.w3.org/2000/svg';
const SMALL = { pitch: 9, width: 5, shortest: 4, longest: 28 };
const LARGE = { pitch: 6, width: 6, shortest: 14, longest: 104 };

// What stands between the quotes, without the suffix of a content coding.
const letters = (tag) => [.../"([^".]*)/.exec(tag ?? '')?.[1] ?? ''];

function shape(name, attributes, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// Threads hang from a rod; the length and the dye of each are its character's.
function threads(characters, { pitch, width, shortest, longest }) {
  const hung = characters.map((character, at) => {
    const value = Math.max(0, ALPHABET.indexOf(character));
    const height = shortest + Math.round((value * (longest - shortest)) / 63);
    return { height, thread: shape('rect', { x: at * pitch, width, height, class: `dye${value % 4}` }) };
  });
  const [across, down] = [characters.length * pitch - (pitch - width), Math.max(...hung.map(({ height }) => height))];
  return shape('svg', { width: across, height: down, viewBox: `0 0 ${across} ${down}` }, ...hung.map(({ thread }) => thread));
}

/** The tag as a row of threads: equal tags look equal, and others do not. */
export function drawStrip(place, tag) {
  const characters = letters(tag);
  place.replaceChildren(...(characters.length ? [threads(characters, SMALL)] : []));
}

/** The same, large, each thread with its character at the end. */
export function drawCells(place, tag) {
  place.replaceChildren(...letters(tag).map((character) => element('span', {}, threads([character], LARGE), character)));
}
