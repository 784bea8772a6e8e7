import { SpanvaultError } from '../fault/index.js';
import { parseDecimal } from './decimal.js';
import { type Json, makeJsonObject } from './json.js';

/** Deeper nesting than this is refused, so that a text cannot exhaust the stack. */
const MAX_DEPTH = 500;

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON strings hold no raw control characters
const PLAIN = /[^"\\\u0000-\u001f]*/y;

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

/** Parses JSON text and keeps the digits of every number. @throws SpanvaultError SV_USAGE */
export function parseJson(text: string): Json {
  const parser = new JsonParser(text);
  return parser.document();
}

class JsonParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): Json {
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length) throw this.#fail('trailing characters');
    return value;
  }

  #fail(reason: string): SpanvaultError {
    return new SpanvaultError('SV_USAGE', `could not parse JSON: ${reason} at character ${this.#at}`);
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? '';
    this.#at += found.length;
    return found;
  }

  #space(): void {
    this.#match(SPACE);
  }

  #take(char: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #value(depth: number): Json {
    if (depth > MAX_DEPTH) throw this.#fail('nested too deep');
    this.#space();
    const char = this.#text[this.#at];
    if (char === '{') return this.#object(depth);
    if (char === '[') return this.#array(depth);
    if (char === '"') return this.#string();
    for (const [word, value] of [
      ['true', true],
      ['false', false],
      ['null', null],
    ] as const) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    const number = this.#match(NUMBER);
    if (number === '') throw this.#fail('unexpected character or end');
    return parseDecimal(number);
  }

  #array(depth: number): Json {
    this.#at++;
    const items: Json[] = [];
    if (this.#take(']')) return items;
    do items.push(this.#value(depth + 1));
    while (this.#take(','));
    if (!this.#take(']')) throw this.#fail('expected , or ]');
    return items;
  }

  #object(depth: number): Json {
    this.#at++;
    const entries: [string, Json][] = [];
    if (this.#take('}')) return makeJsonObject(entries);
    do {
      this.#space();
      if (this.#text[this.#at] !== '"') throw this.#fail('expected a member name');
      const name = this.#string();
      if (!this.#take(':')) throw this.#fail('expected :');
      entries.push([name, this.#value(depth + 1)]);
    } while (this.#take(','));
    if (!this.#take('}')) throw this.#fail('expected , or }');
    return makeJsonObject(entries);
  }

  #string(): string {
    this.#at++;
    let out = '';
    for (;;) {
      out += this.#match(PLAIN);
      const char = this.#text[this.#at++];
      if (char === '"') return out;
      if (char !== '\\') throw this.#fail('malformed string');
      out += this.#escape();
    }
  }

  #escape(): string {
    const char = this.#text[this.#at++] ?? '';
    if (char === 'u') {
      const hex = this.#text.slice(this.#at, this.#at + 4);
      if (!/^[0-9a-fA-F]{4}$/.test(hex)) throw this.#fail('malformed escape');
      this.#at += 4;
      return String.fromCharCode(Number.parseInt(hex, 16));
    }
    const plain = ESCAPES[char];
    if (plain === undefined) throw this.#fail('malformed escape');
    return plain;
  }
}
