import type { Literal } from './statement.js';
import { printString } from './words.js';

/** A constant as SQL writes it. */
export function printLiteral(literal: Literal): string {
  switch (literal.kind) {
    case 'null':
      return 'NULL';
    case 'bool':
      return String(literal.value);
    case 'number':
      return literal.text;
    case 'string':
      return printString(literal.value);
    case 'bytes':
      return `x'${literal.hex}'`;
  }
}
