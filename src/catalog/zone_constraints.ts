import { SpanvaultError } from '../fault/index.js';
import type { Locality } from '../keys/index.js';

/** One constraint: on a locality tier (`+region=us-east`) or, without a key, on a store attribute (`-ssd`). */
export interface ZoneConstraint {
  /** 'positive' (no sign) is what releases before 2.0 wrote; it constrains nothing. */
  readonly type: 'required' | 'prohibited' | 'positive';
  readonly key: string;
  readonly value: string;
}

/** Constraints that hold together, for `numReplicas` replicas; 0 means for all of them. */
export interface ConstraintGroup {
  readonly numReplicas: number;
  readonly constraints: readonly ZoneConstraint[];
}

/** What placement must know of a node. */
export interface PlacementNode {
  readonly locality: Locality;
  readonly attributes?: readonly string[];
}

type Yaml = string | readonly Yaml[] | { readonly mapping: readonly (readonly [string, Yaml])[] };

const SIGNS = { required: '+', prohibited: '-', positive: '' } as const;

/** `+region=us-east`, `-ssd`. */
export function printConstraint(constraint: ZoneConstraint): string {
  return `${SIGNS[constraint.type]}${constraint.key === '' ? '' : `${constraint.key}=`}${constraint.value}`;
}

function usage(sentence: string): SpanvaultError {
  return new SpanvaultError('SV_CONSTRAINT', sentence);
}

/** Inverse of printConstraint. @throws SpanvaultError SV_CONSTRAINT with CockroachDB's words */
export function parseConstraint(text: string): ZoneConstraint {
  if (text === '') throw usage('the empty string is not a valid constraint');
  const type = text[0] === '+' ? 'required' : text[0] === '-' ? 'prohibited' : 'positive';
  const bare = type === 'positive' ? text : text.slice(1);
  const [first = '', second, ...rest] = bare.split('=');
  if (rest.length > 0) {
    throw usage(`constraint needs to be in the form "(key=)value", not ${JSON.stringify(bare)}`);
  }
  return second === undefined ? { type, key: '', value: first } : { type, key: first, value: second };
}

/** A reader of YAML's flow style: `[a, b]`, `{k: v}`, plain and quoted scalars. */
class FlowReader {
  readonly #text: string;
  #pos = 0;

  constructor(text: string) {
    this.#text = text;
  }

  #fail(): SpanvaultError {
    return usage(
      `could not parse zone config: malformed value ${JSON.stringify(this.#text)} at character ${this.#pos + 1}`,
    );
  }

  #skip(): void {
    while (/\s/.test(this.#text[this.#pos] ?? '')) this.#pos++;
  }

  #take(character: string): boolean {
    this.#skip();
    if (this.#text[this.#pos] !== character) return false;
    this.#pos++;
    return true;
  }

  #quoted(quote: string): string {
    const end = this.#text.indexOf(quote, this.#pos);
    if (end < 0) throw this.#fail();
    const part = this.#text.slice(this.#pos, end);
    this.#pos = end + 1;
    // Two single quotes stand for one.
    if (quote === "'" && this.#text[this.#pos] === "'") {
      this.#pos++;
      return `${part}'${this.#quoted(quote)}`;
    }
    return part;
  }

  #scalar(): string {
    if (this.#take('"')) return this.#quoted('"');
    if (this.#take("'")) return this.#quoted("'");
    const start = this.#pos;
    // A colon ends a plain scalar only before a blank or a closing mark.
    while (this.#pos < this.#text.length && !/[,[\]{}]/.test(this.#text[this.#pos]!)) {
      if (this.#text[this.#pos] === ':' && /[\s,[\]{}]|^$/.test(this.#text[this.#pos + 1] ?? '')) break;
      this.#pos++;
    }
    const scalar = this.#text.slice(start, this.#pos).trim();
    if (scalar === '') throw this.#fail();
    return scalar;
  }

  #sequence(): Yaml {
    const items: Yaml[] = [];
    while (!this.#take(']')) {
      items.push(this.#value());
      if (this.#take(']')) break;
      if (!this.#take(',')) throw this.#fail();
    }
    return items;
  }

  #mapping(): Yaml {
    const entries: [string, Yaml][] = [];
    while (!this.#take('}')) {
      const key = this.#scalar();
      if (!this.#take(':')) throw this.#fail();
      entries.push([key, this.#value()]);
      if (this.#take('}')) break;
      if (!this.#take(',')) throw this.#fail();
    }
    return { mapping: entries };
  }

  #value(): Yaml {
    if (this.#take('[')) return this.#sequence();
    if (this.#take('{')) return this.#mapping();
    return this.#scalar();
  }

  whole(): Yaml {
    this.#skip();
    if (this.#pos === this.#text.length) return [];
    const value = this.#value();
    this.#skip();
    if (this.#pos !== this.#text.length) throw this.#fail();
    return value;
  }
}

function compareGroups(a: ConstraintGroup, b: ConstraintGroup): number {
  for (const [index, constraint] of a.constraints.entries()) {
    const other = b.constraints[index];
    if (other === undefined) return 1;
    const [left, right] = [printConstraint(constraint), printConstraint(other)];
    if (left !== right) return left < right ? -1 : 1;
  }
  return a.constraints.length - b.constraints.length || a.numReplicas - b.numReplicas;
}

/**
 * Parses `[+region=us-west1, -ssd]` (for all replicas) and `{"+region=west,+ssd": 1}` (per replica).
 * @throws SpanvaultError SV_CONSTRAINT
 */
export function parseConstraints(text: string): ConstraintGroup[] {
  const value = new FlowReader(text).whole();
  const wrong = usage('invalid constraints format. expected an array of strings or a map of strings to ints');
  if (typeof value === 'string') throw wrong;
  if ('mapping' in value) {
    const groups = value.mapping.map(([key, count]) => {
      if (typeof count !== 'string' || !/^-?\d+$/.test(count)) throw wrong;
      return { numReplicas: Number(count), constraints: key.split(',').map((part) => parseConstraint(part.trim())) };
    });
    return groups.sort(compareGroups);
  }
  if (value.length === 0) return [];
  const constraints = value.map((item) => {
    if (typeof item !== 'string') throw wrong;
    return parseConstraint(item);
  });
  return [{ numReplicas: 0, constraints }];
}

/** Parses `[[+region=us-east], [+region=us-west]]`. @throws SpanvaultError SV_CONSTRAINT */
export function parseLeasePreferences(text: string): ZoneConstraint[][] {
  const value = new FlowReader(text).whole();
  const wrong = usage('invalid lease_preferences format. expected an array of arrays of strings');
  if (typeof value === 'string' || 'mapping' in value) throw wrong;
  return value.map((preference) => {
    if (typeof preference === 'string' || 'mapping' in preference) throw wrong;
    return preference.map((item) => {
      if (typeof item !== 'string') throw wrong;
      return parseConstraint(item);
    });
  });
}

/** A YAML scalar in flow style: plain where that is unambiguous. */
function printScalar(text: string): string {
  const plain = /^[^\s,[\]{}#&*!|>'"%@`?:-][^,[\]{}#'"]*$|^-[^\s,[\]{}#'"]+$/.test(text) && !text.includes(': ');
  return plain ? text : `'${text.replaceAll("'", "''")}'`;
}

/** `[+region=us-west1, -ssd]` or `{+region=west: 1}`, as SHOW ZONE CONFIGURATION prints them. */
export function printConstraints(groups: readonly ConstraintGroup[]): string {
  const [only] = groups;
  if (only === undefined) return '[]';
  if (groups.length === 1 && only.numReplicas === 0) {
    return `[${only.constraints.map((constraint) => printScalar(printConstraint(constraint))).join(', ')}]`;
  }
  const entries = groups.map(({ constraints, numReplicas }): [string, number] => [
    constraints.map(printConstraint).join(','),
    numReplicas,
  ]);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, count]) => `${printScalar(key)}: ${count}`).join(', ')}}`;
}

/** `[[+region=us-east]]`. */
export function printLeasePreferences(preferences: readonly (readonly ZoneConstraint[])[]): string {
  const lists = preferences.map((list) => `[${list.map((one) => printScalar(printConstraint(one))).join(', ')}]`);
  return `[${lists.join(', ')}]`;
}

/** Whether a node has what a constraint names, whatever its sign. */
export function nodeMatches(node: PlacementNode, constraint: ZoneConstraint): boolean {
  if (constraint.key === '') return (node.attributes ?? []).includes(constraint.value);
  return node.locality.some(({ key, value }) => key === constraint.key && value === constraint.value);
}

/** Whether a node may hold a replica under a constraint. */
export function nodeSatisfies(node: PlacementNode, constraint: ZoneConstraint): boolean {
  if (constraint.type === 'positive') return true;
  return nodeMatches(node, constraint) === (constraint.type === 'required');
}
