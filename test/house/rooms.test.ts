import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { FAULT_CODES } from '#src/fault/index.js';

const SRC = resolve(import.meta.dirname, '../../src');

/** Rooms from the lowest to the highest; a room may import rooms of a lower rank only. The README draws the same order. */
const RANKS: readonly (readonly string[])[] = [
  ['fault'],
  ['keys'],
  ['native'],
  ['storage'],
  ['manifest', 'rows'],
  ['catalog'],
  ['collection'],
  ['cluster'],
  ['executor'],
  ['jobs'],
  ['backup', 'restore', 'verify', 'probe'],
  ['statements'],
  ['cli'],
];
/** Doors, not rooms: the library's entry and the exported conformance suites may see every room. */
const DOORS = new Set(['', 'conformance']);

function sources(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    if (statSync(path).isDirectory()) return name === 'generated' ? [] : sources(path);
    return path.endsWith('.ts') ? [path] : [];
  });
}

function roomOf(path: string): string {
  const [room, ...rest] = relative(SRC, path).split('/');
  return rest.length === 0 ? '' : room!;
}

function rank(room: string): number {
  return RANKS.findIndex((rooms) => rooms.includes(room));
}

const files = sources(SRC);

test('every folder of src is a known room or a door', () => {
  const rooms = new Set(files.map(roomOf));
  expect([...rooms].filter((room) => rank(room) < 0 && !DOORS.has(room))).toEqual([]);
});

test('imports run one way', () => {
  const wrong = files.flatMap((path) => {
    const room = roomOf(path);
    if (DOORS.has(room)) return [];
    const imports = [...readFileSync(path, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(
      (match) => match[1]!,
    );
    return imports
      .map((target) => roomOf(resolve(dirname(path), target)))
      .filter((target) => target !== room && rank(target) >= rank(room))
      .map((target) => `${relative(SRC, path)} imports ${target}/`);
  });
  expect(wrong).toEqual([]);
});

test('only native/ loads the native module', () => {
  const loaders = files.filter((path) => /binding\/index|\.node['"]/.test(readFileSync(path, 'utf8')));
  expect(loaders.map(roomOf).filter((room) => room !== 'native')).toEqual([]);
});

test('every room opens with what it owns and what it must not do', () => {
  const mute = RANKS.flat().filter((room) => {
    const head = readFileSync(join(SRC, room, 'index.ts'), 'utf8').slice(0, 1200);
    return !head.startsWith('/**') || !/must not/i.test(head.slice(0, head.indexOf('*/')));
  });
  expect(mute).toEqual([]);
});

test('no file outgrows its concept, and none is a drawer', () => {
  const long = files.filter((path) => readFileSync(path, 'utf8').split('\n').length > 500);
  const drawers = files.filter((path) => /(^|\/)(utils?|helpers?|common|misc)(\.ts|\/)/.test(relative(SRC, path)));
  expect([...long, ...drawers].map((path) => relative(SRC, path))).toEqual([]);
});

test('the README has a row for every error code with its exit class', () => {
  const readme = readFileSync(resolve(SRC, '../README.md'), 'utf8');
  expect(Object.keys(FAULT_CODES).filter((code) => !readme.includes(`\`${code}\``))).toEqual([]);
});

test('no source leaves a focused test, a suppressed check or a note to self', () => {
  const roots = [SRC, resolve(SRC, '../test'), resolve(SRC, '../bench')];
  const banned = new RegExp(['@ts-ig' + 'nore', '\\.on' + 'ly\\(', 'TO' + 'DO', 'FIX' + 'ME'].join('|'));
  const bad = roots.flatMap(sources).filter((path) => banned.test(readFileSync(path, 'utf8')));
  expect(bad.map((path) => relative(SRC, path))).toEqual([]);
});
