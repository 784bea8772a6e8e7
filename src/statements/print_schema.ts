import { printLiteral } from './print_literal.js';
import type {
  ColumnDefinition,
  ColumnQualifier,
  DefaultExpression,
  IndexDefinition,
  IndexRef,
  KeyColumn,
  SchemaStatement,
  TableElement,
} from './schema_statement.js';
import { printName } from './words.js';

/** Canonical text of a statement that changes the schema. */
export function printSchemaStatement(statement: SchemaStatement): string {
  switch (statement.kind) {
    case 'createTable':
      return join(
        'CREATE TABLE',
        unless(statement.ifNotExists),
        printName(statement.table),
        `(${statement.elements.map(printElement).join(', ')})`,
        statement.excludeDataFromBackup === undefined ? '' : `WITH ${printExcluded(statement.excludeDataFromBackup)}`,
      );
    case 'createIndex': {
      const { index } = statement;
      return join(
        'CREATE',
        index.unique ? 'UNIQUE' : '',
        'INDEX',
        unless(statement.ifNotExists),
        index.name === null ? '' : name(index.name),
        `ON ${printName(statement.table)}`,
        printKey(index),
      );
    }
    case 'createSchema':
      return join('CREATE SCHEMA', unless(statement.ifNotExists), printName(statement.schema));
    case 'dropIndexes':
      return join(
        'DROP INDEX',
        when(statement.ifExists),
        statement.indexes.map(printIndexRef).join(', '),
        (statement.behaviour ?? '').toUpperCase(),
      );
    case 'truncate':
      return join(
        'TRUNCATE TABLE',
        statement.tables.map(printName).join(', '),
        (statement.behaviour ?? '').toUpperCase(),
      );
    case 'renameDatabase':
      return `ALTER DATABASE ${name(statement.database)} RENAME TO ${name(statement.to)}`;
    case 'renameIndex':
      return join(
        'ALTER INDEX',
        when(statement.ifExists),
        printIndexRef(statement.index),
        `RENAME TO ${name(statement.to)}`,
      );
    default:
      return join('ALTER TABLE', when(statement.ifExists), printName(statement.table), printAction(statement));
  }
}

type TableAction = Extract<
  SchemaStatement,
  { kind: 'addColumns' | 'renameTable' | 'renameColumn' | 'setSchema' | 'setExcluded' }
>;

function printAction(action: TableAction): string {
  switch (action.kind) {
    case 'renameTable':
      return `RENAME TO ${printName(action.to)}`;
    case 'renameColumn':
      return `RENAME COLUMN ${name(action.column)} TO ${name(action.to)}`;
    case 'setSchema':
      return `SET SCHEMA ${name(action.schema)}`;
    case 'setExcluded':
      return `SET ${printExcluded(action.excluded)}`;
    case 'addColumns':
      return action.columns
        .map(({ ifNotExists, column }) => join('ADD COLUMN', unless(ifNotExists), printColumn(column)))
        .join(', ');
  }
}

function printExcluded(excluded: boolean): string {
  return `(exclude_data_from_backup = ${excluded})`;
}

function printElement(element: TableElement): string {
  const constraint = (own: string | null): string => (own === null ? '' : `CONSTRAINT ${name(own)}`);
  switch (element.kind) {
    case 'column':
      return printColumn(element.column);
    case 'primaryKey':
      return join(constraint(element.name), 'PRIMARY KEY', printColumns(element.columns));
    case 'family':
      return join(
        'FAMILY',
        element.name === null ? '' : name(element.name),
        `(${element.columns.map(name).join(', ')})`,
      );
    case 'index': {
      const { index } = element;
      return join(index.unique ? 'UNIQUE' : '', 'INDEX', index.name === null ? '' : name(index.name), printKey(index));
    }
  }
}

function printColumn(column: ColumnDefinition): string {
  return join(name(column.name), column.type, ...column.qualifiers.map(printQualifier));
}

function printQualifier(qualifier: ColumnQualifier): string {
  switch (qualifier.kind) {
    case 'notNull':
      return 'NOT NULL';
    case 'null':
      return 'NULL';
    case 'notVisible':
      return 'NOT VISIBLE';
    case 'primaryKey':
      return 'PRIMARY KEY';
    case 'unique':
      return 'UNIQUE';
    case 'default':
      return `DEFAULT ${printDefault(qualifier.value)}`;
    case 'family':
      return join(
        qualifier.create ? 'CREATE' : '',
        unless(qualifier.ifNotExists),
        'FAMILY',
        qualifier.name === null ? '' : name(qualifier.name),
      );
  }
}

function printDefault(value: DefaultExpression): string {
  switch (value.kind) {
    case 'bits':
      return `B'${value.bits}'`;
    case 'call':
      return `${name(value.name)}()`;
    case 'array':
      return `ARRAY[${value.elements.map(printDefault).join(', ')}]`;
    default:
      return printLiteral(value);
  }
}

function printKey(index: IndexDefinition): string {
  const storing = index.storing.length === 0 ? '' : `STORING (${index.storing.map(name).join(', ')})`;
  return join(printColumns(index.columns), storing);
}

function printColumns(columns: readonly KeyColumn[]): string {
  return `(${columns.map((column) => `${name(column.name)} ${column.direction.toUpperCase()}`).join(', ')})`;
}

function printIndexRef({ table, index }: IndexRef): string {
  return table === null ? name(index) : `${printName(table)}@${name(index)}`;
}

function name(text: string): string {
  return printName([text]);
}

function unless(ifNotExists: boolean): string {
  return ifNotExists ? 'IF NOT EXISTS' : '';
}

function when(ifExists: boolean): string {
  return ifExists ? 'IF EXISTS' : '';
}

function join(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' ');
}
