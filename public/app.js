// The page: finds the demonstrations, sends their requests, and says what the answers mean.

import { lostUpdate } from './lost-update.js';
import { bytes, drawCells, drawStrip, exchange, number, say } from './view.js';
import { curl, fileSize, locate, send } from './wire.js';

const CLOTHS = ['img/cloth-a.png', 'img/cloth-b.png'];
const CLOTH = CLOTHS[0];
const NOTES = 'data/notes.json';
const STALE = '"a-stale-tag"';

const tags = new Map(); // path -> the tag this page last heard of
const sizes = new Map(); // path -> the size of the file, likewise

const ask = (request) => send(request).then((result) => {
  const { answer } = result;
  if (answer.tag) tags.set(request.path, answer.tag);
  if ([200, 206].includes(answer.status)) sizes.set(request.path, fileSize(answer));
  return result;
});

const get = (path, fields = {}) => ({ path, fields });
const head = (path) => ({ method: 'HEAD', path });

/** Connects one demonstration: a click runs the action, one at a time, and a failure is said where the result would be. */
function connect(name, actions) {
  const bench = document.querySelector(`[data-demo="${name}"]`);
  const verdict = bench.querySelector('.verdict');
  const wire = bench.querySelector('.wire');
  const command = bench.querySelector('.curl code');
  const copy = bench.querySelector('.copy');
  const stage = {
    bench,
    verdict,
    show: (...results) => wire.replaceChildren(...results.map(([result, who]) => exchange(result, who))),
    command: (...requests) => { command.textContent = requests.map(curl).join('\n'); },
  };
  let busy = false;
  bench.addEventListener('click', async ({ target }) => {
    const button = target.closest('button[data-do]');
    if (!button || busy) return;
    busy = true;
    bench.setAttribute('aria-busy', 'true');
    try {
      await actions[button.dataset.do]?.(stage, button);
    } catch (error) {
      verdict.textContent = unanswered(error);
    } finally {
      busy = false;
      bench.removeAttribute('aria-busy');
    }
  });
  copy.disabled = false;
  copy.addEventListener('click', () => copyText(command, copy));
  return stage;
}

const unanswered = (error) => `No whole answer came (${error.message}). Is the server still running?`;

const enable = (...benches) => benches.forEach(({ bench }) => {
  for (const button of bench.querySelectorAll('button[data-do]')) button.disabled = false;
});

// navigator.clipboard exists only in secure contexts; elsewhere the text is at least left selected.
async function copyText(source, button) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = 'Copied';
  } catch {
    getSelection().selectAllChildren(source);
    button.textContent = 'Selected';
  }
  setTimeout(() => { button.textContent = 'Copy'; }, 2000);
}

// One request, shown, with the sentence that fits its answer.
async function one(stage, request, sentences) {
  const result = await ask(request);
  stage.show([result]);
  stage.command(request);
  say(stage.verdict, result.answer, (sentences[result.answer.status] ?? elsewhere)(result.answer));
  return result.answer;
}

const elsewhere = () => 'This page did not expect that answer; the exchange below is what was said.';

// 1 A name for bytes

async function askForHeads() {
  const results = await Promise.all(CLOTHS.map((path) => ask(head(path))));
  CLOTHS.forEach((path) => {
    const figure = document.querySelector(`[data-file="${path}"]`);
    figure.querySelector('.tag').textContent = tags.get(path) ?? 'no ETag sent';
    figure.querySelector('.facts').textContent = sizes.has(path) ? bytes(sizes.get(path)) : '';
    drawStrip(figure.querySelector('.strip'), tags.get(path));
  });
  return results;
}

function compare([a, b]) {
  const sizesAre = sizes.get(a) === sizes.get(b) ? 'Equal sizes' : 'Different sizes';
  if (!tags.has(a) || !tags.has(b)) return `${sizesAre}; this server sent no tags to compare.`;
  return tags.get(a) === tags.get(b) ? `${sizesAre}, equal tags: the same bytes.` : `${sizesAre}, different tags: different bytes.`;
}

const validator = connect('validator', {
  async heads(stage) {
    const results = await askForHeads();
    stage.show(...results.map((result) => [result]));
    say(stage.verdict, results[1].answer, compare(CLOTHS));
  },
  reveal(stage, button) {
    const shown = document.getElementById('cloths').classList.toggle('revealed');
    button.setAttribute('aria-pressed', String(shown));
  },
});

// 2 Has it changed?

const totals = { received: 0, spared: 0 };

function count({ status, bytes: body }) {
  totals.received += body.length;
  if (status === 304) totals.spared += sizes.get(CLOTH) ?? 0;
  for (const id of ['received', 'spared']) document.getElementById(id).textContent = number(totals[id]);
  document.querySelector('.tally').hidden = false;
}

const received = ({ bytes: body }) => `${bytes(body.length)} came.`;

const revalidate = connect('revalidate', {
  async plain(stage) {
    count(await one(stage, get(CLOTH), { 200: (answer) => `${received(answer)} Their tag is the one to ask with next.` }));
  },
  async current(stage) {
    count(await one(stage, get(CLOTH, { 'If-None-Match': tags.get(CLOTH) }), {
      200: (answer) => `${received(answer)} The file has changed since this page read its tag.`,
      304: () => `Your copy is current: ${bytes(sizes.get(CLOTH))} stayed where they were.`,
    }));
  },
  async old(stage) {
    count(await one(stage, get(CLOTH, { 'If-None-Match': STALE }), {
      200: (answer) => `${received(answer)} The tag named another version, so here is the current one.`,
    }));
  },
});

// 3 Only if it is still this

const ifMatch = connect('if-match', {
  async right(stage) {
    await one(stage, get(NOTES, { 'If-Match': tags.get(NOTES) }), {
      200: () => 'It is still that version, so the request was carried out.',
      412: () => 'The file has changed since this page read its tag. Press again: the page now knows the new one.',
    });
  },
  async stale(stage) {
    await one(stage, get(NOTES, { 'If-Match': STALE }), {
      412: () => 'It is not that version, so nothing was done. The answer says which one it is.',
    });
  },
});

// 4 A part of the same

const part = (tag) => get(CLOTH, { Range: 'bytes=0-63', 'If-Range': tag });

const range = connect('range', {
  async right(stage) {
    await one(stage, part(tags.get(CLOTH)), {
      200: (answer) => `${received(answer)} The file has changed since this page read its tag, so the part would not have fitted.`,
      206: (answer) => `${number(answer.bytes.length)} of ${bytes(fileSize(answer))}, from the version you named.`,
    });
  },
  async stale(stage) {
    await one(stage, part(STALE), {
      200: (answer) => `${received(answer)} The part would not have fitted your copy, so the whole was sent.`,
    });
  },
  async beyond(stage) {
    const past = sizes.get(CLOTH) ?? 0;
    await one(stage, get(CLOTH, { Range: `bytes=${past}-` }), {
      416: (answer) => `The file ends before byte ${number(past)}: it has ${bytes(fileSize(answer))}, and they are counted from 0.`,
    });
  },
});

// 5 The lost update

const update = connect('lost-update', lostUpdate);

// What the page asks before anyone presses a button.

async function start() {
  const state = document.getElementById('state');
  const page = location.pathname;
  try {
    await Promise.all([askForHeads(), ask(head(page)), ask(head(NOTES))]);
  } catch (error) {
    state.textContent = `The server does not answer (${error.message}). Start it with “ifmatch public” and reload.`;
    return;
  }
  if (![CLOTH, NOTES].every((path) => tags.has(path))) {
    state.textContent = 'This server sends no ETag, so there is nothing to ask with. Start “ifmatch public” and open the address it prints.';
    return;
  }
  validator.command(...CLOTHS.map(head));
  revalidate.command(get(CLOTH, { 'If-None-Match': tags.get(CLOTH) }));
  ifMatch.command(get(NOTES, { 'If-Match': tags.get(NOTES) }));
  range.command(part(tags.get(CLOTH)));
  if (tags.has(page)) {
    drawCells(document.getElementById('selvage-cells'), tags.get(page));
    document.getElementById('selvage-tag').textContent = tags.get(page);
    document.getElementById('selvage').hidden = false;
  }
  state.textContent = `Live: every button sends a real request to ${locate('.').href}`;
  enable(validator, revalidate, ifMatch, range);
  await lostUpdate.prepare(update, () => enable(update)).catch((error) => { update.verdict.textContent = unanswered(error); });
}

start();
