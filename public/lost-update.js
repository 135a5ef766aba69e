// The lost update: two editors, one small file, every save under If-Match.

import { drawStrip, element, say } from './view.js';
import { send, text } from './wire.js';

const NOTE = 'demo-note.txt';
const FIRST = 'Found in the yard: one ladder.\n';
const TEXT = { 'Content-Type': 'text/plain;charset=utf-8' };

const editors = Object.fromEntries(['Ann', 'Ben'].map((name) => {
  const place = document.querySelector(`[data-editor="${name}"]`);
  const part = (selector) => place.querySelector(selector);
  return [name, {
    name, place, area: part('textarea'), holds: part('.holds'), strip: part('.strip'), buttons: place.querySelectorAll('button'),
    base: '', // the text as it was read, for the merge
    tag: null, // its tag, for If-Match
  }];
}));
const both = Object.values(editors);
const editorOf = (button) => editors[button.closest('[data-editor]').dataset.editor];

const read = () => send({ path: NOTE });
const write = (condition, body) => ({ method: 'PUT', path: NOTE, fields: { ...condition, ...TEXT }, body });
const create = () => write({ 'If-None-Match': '*' }, FIRST);

function hold(editor, tag, base) {
  Object.assign(editor, { tag, base });
  editor.holds.replaceChildren('Holds version ', element('code', {}, tag ?? 'without a tag'));
  drawStrip(editor.strip, tag);
  editor.place.classList.remove('refused');
  editor.area.disabled = false;
  for (const button of editor.buttons) button.disabled = false;
}

// One line from each, so that there is something to lose.
function propose(editor) {
  const time = new Date().toTimeString().slice(0, 8);
  const wish = { Ann: 'It is mine, I will fetch it.', Ben: 'May I borrow it on Sunday?' }[editor.name];
  const end = editor.base === '' || editor.base.endsWith('\n') ? '' : '\n';
  editor.area.value = `${editor.base}${end}${editor.name}, ${time}: ${wish}\n`;
}

/** Both editors read the note; the answers are returned for display. Where there is no note, it is created first. */
async function openInBoth() {
  const results = [];
  let first = await read();
  if (first.answer.status === 404) {
    results.push([first, 'Ann'], [await send(create()), 'Ann']);
    first = await read();
  }
  const answers = [[first, 'Ann'], [await read(), 'Ben']];
  for (const [{ answer }, name] of answers) {
    if (answer.status !== 200) continue;
    hold(editors[name], answer.tag, text(answer.bytes));
    propose(editors[name]);
  }
  return [...results, ...answers];
}

/**
 * A three-way merge of lines: theirs, without what I took out, and with what I added at the end. Equal lines count as one
 * line, which is right for a list of remarks and too simple for a program's source.
 */
export function merge(base, mine, theirs) {
  const [before, ours, current] = [base, mine, theirs].map((words) => words.replace(/\n$/, '').split('\n'));
  const kept = current.filter((words) => ours.includes(words) || !before.includes(words));
  const added = ours.filter((words) => !before.includes(words) && !current.includes(words));
  return `${[...kept, ...added].join('\n')}\n`;
}

const SAVED = {
  200: (name) => `${name}’s version is in the file.`,
  201: (name) => `${name}’s version is in a new file.`,
  204: (name) => `${name}’s version is in the file, under a new tag.`,
  401: () => 'The server wants to know who is writing.',
  403: () => 'The server does not let this page write.',
  404: () => 'The note is gone. Open it again, and it is created.',
  405: () => 'Uploads are off.',
  409: () => 'Somebody is writing to the file just now. Try again.',
  412: (name) => `The note has changed since ${name} read it. Nothing was written, and ${name}’s text is untouched: read, merge, save again.`,
  428: () => 'The server wants a condition.',
};
const unexpected = () => 'The note was not written.';

/** The actions of this demonstration by the name of their button, and `prepare`, which learns whether PUT is allowed. */
export const lostUpdate = {
  async open({ verdict, show, command }) {
    const results = await openInBoth();
    show(...results);
    command({ path: NOTE });
    const { answer } = results.at(-1)[0];
    say(verdict, answer, answer.status === 200
      ? 'Ann and Ben hold the same version, and each has added a line. Let both save, in either order.'
      : 'The note could not be read.');
  },

  async save({ verdict, show, command }, button) {
    const editor = editorOf(button);
    const body = editor.area.value;
    const request = write({ 'If-Match': editor.tag }, body);
    const result = await send(request);
    const { answer } = result;
    show([result, editor.name]);
    command(request);
    if (answer.status < 300) hold(editor, answer.tag, body);
    if (answer.status === 412) editor.place.classList.add('refused');
    say(verdict, answer, (SAVED[answer.status] ?? unexpected)(editor.name));
  },

  async merge({ verdict, show, command }, button) {
    const editor = editorOf(button);
    const result = await read();
    const { answer } = result;
    show([result, editor.name]);
    command({ path: NOTE });
    if (answer.status !== 200) return say(verdict, answer, 'The note could not be read.');
    const theirs = text(answer.bytes);
    editor.area.value = merge(editor.base, editor.area.value, theirs);
    hold(editor, answer.tag, theirs);
    say(verdict, answer, `${editor.name} now holds the current version with the changes of both. Save again.`);
  },

  async create({ verdict, show, command }) {
    const request = create();
    const result = await send(request);
    show([result]);
    command(request);
    say(verdict, result.answer, {
      201: 'There was no note; now there is.',
      412: 'There is a note already, and a failed If-None-Match on PUT is 412, not 304. Nothing was written.',
    }[result.answer.status] ?? unexpected());
  },

  async reset({ verdict, show, command }) {
    const current = await read();
    const request = current.answer.status === 200 ? write({ 'If-Match': current.answer.tag }, FIRST) : create();
    const result = await send(request);
    const opened = result.answer.status < 300 ? await openInBoth() : [];
    show([result], ...opened);
    command(request);
    say(verdict, result.answer, result.answer.status < 300
      ? 'The note is back at its first line, and both have read it.'
      : (SAVED[result.answer.status] ?? unexpected)('The reset'));
  },

  /** Asks with OPTIONS. Where PUT is not allowed the buttons stay off and the page says how to change that. */
  async prepare({ command }, enable) {
    const { answer } = await send({ method: 'OPTIONS', path: NOTE });
    const allow = answer.fields.get('Allow') ?? '';
    const notice = document.getElementById('uploads');
    command(write({ 'If-Match': '"the tag you read"' }, FIRST));
    if (/\bPUT\b/.test(allow)) {
      notice.replaceChildren('Uploads are on. These buttons write ', element('code', {}, NOTE), ' in the served folder.');
      notice.classList.add('on');
      enable();
      for (const button of document.querySelectorAll('.editor button')) button.disabled = true; // nothing is open yet
      return;
    }
    notice.replaceChildren(
      element('strong', {}, 'Uploads are off. '),
      ...(allow ? ['The server’s answer to OPTIONS is ', element('code', { class: 'long' }, `Allow: ${allow}`), '. '] : []),
      'To save, start it with ', element('code', { class: 'long' }, 'ifmatch --allow-upload public'),
      ' and reload; a version whose ', element('code', {}, '--help'), ' does not list that option cannot save yet.',
    );
  },
};
