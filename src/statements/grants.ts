import type { Descriptor } from '../catalog/index.js';
import { printName } from './words.js';

/** Privilege kinds by bit (CockroachDB's privilege.Kind); bit 1 is ALL and stands alone. */
const KINDS: readonly (readonly [number, string])[] = [
  [2, 'CREATE'],
  [3, 'DROP'],
  [4, 'GRANT'],
  [5, 'SELECT'],
  [6, 'INSERT'],
  [7, 'DELETE'],
  [8, 'UPDATE'],
  [9, 'USAGE'],
  [10, 'ZONECONFIG'],
  [11, 'CONNECT'],
];
const ALL_BIT = 1;

function kindsOf(bits: number): string[] {
  if ((bits & (1 << ALL_BIT)) !== 0) return ['ALL'];
  return KINDS.filter(([bit]) => (bits & (1 << bit)) !== 0).map(([, name]) => name);
}

function objectKeyword(descriptor: Descriptor): string {
  if (descriptor.kind === 'table') return '';
  return `${descriptor.kind.toUpperCase()} `;
}

/** The GRANT statements that give an object's privileges, as SHOW BACKUP WITH privileges prints them; null when it has none. */
export function grantsOf(descriptor: Descriptor): string | null {
  const users = descriptor.message.privileges?.users ?? [];
  const grants = users.flatMap(({ user, privileges }) => {
    const kinds = kindsOf(privileges ?? 0);
    if (kinds.length === 0 || user === null || user === undefined) return [];
    return [
      `GRANT ${kinds.join(', ')} ON ${objectKeyword(descriptor)}${printName([descriptor.name])} TO ${printName([user])}; `,
    ];
  });
  return grants.length === 0 ? null : grants.join('');
}

/** The owner of an object; null in descriptors from before 20.2, which have none. */
export function ownerOf(descriptor: Descriptor): string | null {
  return descriptor.message.privileges?.owner || null;
}
