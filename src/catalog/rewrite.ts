import type { Timestamp } from '../keys/index.js';
import { typeIdOfOid, USER_TYPE_OID_BASE } from './dependencies.js';
import { type Descriptor, type DescriptorKind, unwrapDescriptor } from './descriptor.js';
import { stampBody, wrapBody } from './descriptor_edits.js';
import { renameDatabases, rewriteExpressionIds } from './expressions.js';
import { encodePrivileges } from './message_parts.js';
import type { PrivilegeSpec } from './table_spec.js';
import {
  bytesField,
  editMessage,
  type FieldRule,
  readFields,
  readVarint,
  readVarints,
  setField,
  setVarint,
  type WireRules,
} from './wire.js';

/** How to rewrite a set of descriptors. */
export interface RewriteOptions {
  /** New id of every database, schema, table, type and function that changes or stays; identity for what stays. */
  readonly ids: ReadonlyMap<number, number>;
  /**
   * What references to ids outside of `ids` become: kept as they are, or dropped as RESTORE does (foreign keys, view
   * back references, sequence defaults and owners).
   */
  readonly missing: 'keep' | 'drop';
  /** New parents by old id, where the parent is not simply the rewritten one. */
  readonly parents?: ReadonlyMap<number, { readonly databaseId?: number; readonly schemaId?: number }>;
  /** New name of databases, by old id. */
  readonly databaseNames?: ReadonlyMap<number, string>;
  /** Databases that view queries name, and the one that takes their place. */
  readonly viewDatabases?: { readonly from: ReadonlySet<string>; readonly to: string };
  /** Version and modification time to set; an empty time removes the field's value, as RESTORE does. */
  readonly stamp?: { readonly version: number; readonly time: Timestamp };
  /** False for a column that is gone: a sequence that it owned is nobody's then. */
  readonly hasColumn?: (tableId: number, columnId: number) => boolean;
  /** Privileges that replace those of the backup. */
  readonly privileges?: PrivilegeSpec;
}

const PRIVILEGE_FIELDS: Readonly<Record<DescriptorKind, number>> = {
  table: 13,
  database: 3,
  schema: 4,
  type: 14,
  function: 12,
};

const EMPTY = new Uint8Array(0);

/** The first value of a varint field; 0 when absent. */
function firstVarint(bytes: Uint8Array, number: number): number {
  const field = readFields(bytes).find((one) => one.number === number && one.wireType === 0);
  return field === undefined ? 0 : readVarint(bytes, field.valueStart).value;
}

/** Rules of every message, made once per set of options. */
class Rewriter {
  readonly #options: RewriteOptions;

  constructor(options: RewriteOptions) {
    this.#options = options;
  }

  #known(id: number): boolean {
    return id === 0 || this.#options.missing === 'keep' || this.#options.ids.has(id);
  }

  #id(id: number): number {
    return this.#options.ids.get(id) ?? id;
  }

  /** A reference that is kept, whether its id changes or not. */
  readonly #ref: FieldRule = { varint: (id) => this.#id(id) };

  /** A reference that is dropped when it leads nowhere. */
  readonly #optionalRef: FieldRule = { varint: (id) => (this.#known(id) ? this.#id(id) : undefined) };

  readonly #expression: FieldRule = { text: (text) => rewriteExpressionIds(text, this.#options.ids) };

  #typeRules(): WireRules {
    // Releases before 21.1 put an oid into both fields of the metadata.
    const stable: FieldRule = {
      varint: (id) => {
        const own = typeIdOfOid(id);
        return own === undefined ? this.#id(id) : this.#id(own) + USER_TYPE_OID_BASE;
      },
    };
    const rules: Record<number, FieldRule> = {
      10: {
        varint: (oid) =>
          typeIdOfOid(oid) === undefined ? oid : this.#id(oid - USER_TYPE_OID_BASE) + USER_TYPE_OID_BASE,
      },
      15: { message: { 1: stable, 2: stable } },
    };
    rules[8] = { message: rules };
    rules[11] = { message: rules };
    return rules;
  }

  readonly #type: FieldRule = { message: this.#typeRules() };

  #column(bytes: Uint8Array): Uint8Array {
    const dropsDefault = readVarints(bytes, 10).some((id) => !this.#known(id));
    return editMessage(bytes, {
      3: this.#type,
      5: dropsDefault ? { replace: () => undefined } : this.#expression,
      10: { varint: (id) => (dropsDefault ? undefined : this.#id(id)) },
      11: this.#expression,
      12: this.#optionalRef,
      18: this.#expression,
      21: this.#ref,
    });
  }

  /** A message that is dropped when the id in `field` leads nowhere. */
  #linked(field: number, rules: WireRules): FieldRule {
    return { replace: (bytes) => (this.#known(firstVarint(bytes, field)) ? editMessage(bytes, rules) : undefined) };
  }

  #index(): FieldRule {
    const link = this.#linked(1, { 1: this.#ref });
    return {
      message: {
        // 9 is the foreign key of releases up to 19.1; it must stay present, so a dropped one is emptied.
        9: { replace: (bytes) => (this.#known(firstVarint(bytes, 1)) ? editMessage(bytes, { 1: this.#ref }) : EMPTY) },
        10: link,
        11: { message: { 1: { message: { 1: this.#ref } } } },
        12: link,
        23: this.#expression,
      },
    };
  }

  #foreignKey(other: number): FieldRule {
    return this.#linked(other, { 1: this.#ref, 4: this.#ref });
  }

  #tableRules(): WireRules {
    const column: FieldRule = { replace: (bytes) => this.#column(bytes) };
    const index = this.#index();
    const check: FieldRule = { message: { 1: this.#expression } };
    const foreignKey: FieldRule = { message: { 1: this.#ref, 4: this.#ref } };
    const unique: FieldRule = { message: { 1: this.#ref, 5: this.#expression } };
    const constraint: FieldRule = { message: { 3: check, 4: foreignKey, 7: unique } };
    const owner: FieldRule = {
      replace: (bytes) => (this.#hasOwner(bytes) ? editMessage(bytes, { 2: this.#ref }) : EMPTY),
    };
    return {
      3: this.#ref,
      4: this.#ref,
      8: column,
      10: index,
      11: index,
      14: { message: { 1: column, 2: index, 8: constraint, 11: { message: { 1: index, 2: index } } } },
      20: check,
      24: { text: (query) => this.#viewQuery(query) },
      25: this.#ref,
      26: this.#linked(1, { 1: this.#ref }),
      28: { message: { 6: owner } },
      36: this.#foreignKey(4),
      37: this.#foreignKey(1),
      40: this.#ref,
      43: unique,
      45: this.#ref,
      55: this.#ref,
    };
  }

  /** The column and the table of a SequenceOwner are both there. */
  #hasOwner(bytes: Uint8Array): boolean {
    const table = firstVarint(bytes, 2);
    const { hasColumn } = this.#options;
    return this.#known(table) && (table === 0 || hasColumn === undefined || hasColumn(table, firstVarint(bytes, 1)));
  }

  #viewQuery(query: string): string {
    const { viewDatabases } = this.#options;
    const renamed = viewDatabases === undefined ? query : renameDatabases(query, viewDatabases.from, viewDatabases.to);
    return rewriteExpressionIds(renamed, this.#options.ids);
  }

  #rules(descriptor: Descriptor): WireRules {
    switch (descriptor.kind) {
      case 'table':
        return this.#tableRules();
      case 'database': {
        const schema =
          this.#options.missing === 'keep' ? { message: { 2: { message: { 1: this.#ref } } } } : this.#schemaEntry();
        return {
          1: { text: (name) => this.#options.databaseNames?.get(descriptor.id) ?? name },
          2: this.#ref,
          7: schema,
          10: { message: { 4: this.#ref } },
        };
      }
      case 'schema': {
        const signature: FieldRule = { message: { 1: this.#ref, 2: this.#type, 3: this.#type } };
        return { 1: this.#ref, 3: this.#ref, 13: { message: { 2: { message: { 2: signature } } } } };
      }
      case 'type':
        return {
          1: this.#ref,
          2: this.#ref,
          4: this.#ref,
          7: this.#type,
          8: this.#ref,
          12: this.#optionalRef,
          18: { message: { 1: { message: { 1: this.#type } } } },
        };
      case 'function':
        return {
          2: this.#ref,
          3: this.#ref,
          4: this.#ref,
          5: { message: { 3: this.#type } },
          6: { message: { 1: this.#type } },
          8: { text: (body) => this.#viewQuery(body) },
          13: this.#ref,
          14: this.#ref,
          15: this.#linked(1, { 1: this.#ref }),
        };
    }
  }

  /** An entry of a database's map of schemas; one whose schema is not restored goes. */
  #schemaEntry(): FieldRule {
    return {
      replace: (entry) => {
        const value = readFields(entry).find(({ number }) => number === 2);
        const id = value === undefined ? 0 : firstVarint(entry.subarray(value.valueStart, value.end), 1);
        return this.#known(id) ? editMessage(entry, { 2: { message: { 1: this.#ref } } }) : undefined;
      },
    };
  }

  #reparent(descriptor: Descriptor, body: Uint8Array): Uint8Array {
    const parent = this.#options.parents?.get(descriptor.id);
    if (parent === undefined || descriptor.kind === 'database') return body;
    const fields = { table: [4, 40], schema: [1, 0], type: [1, 2], function: [3, 4] } as const;
    const [databaseField, schemaField] = fields[descriptor.kind];
    let edited = body;
    if (parent.databaseId !== undefined) edited = setVarint(edited, databaseField, parent.databaseId);
    if (parent.schemaId !== undefined && schemaField !== 0 && parent.schemaId !== descriptor.parentSchemaId) {
      edited = setVarint(edited, schemaField, parent.schemaId);
    }
    return edited;
  }

  rewrite(descriptor: Descriptor): Uint8Array {
    const { kind, body } = unwrapDescriptor(descriptor.raw);
    let edited = this.#reparent(descriptor, editMessage(body, this.#rules(descriptor)));
    const { stamp, privileges } = this.#options;
    if (stamp !== undefined) edited = stampBody(kind, edited, stamp);
    if (privileges !== undefined)
      edited = setField(
        edited,
        PRIVILEGE_FIELDS[kind],
        bytesField(PRIVILEGE_FIELDS[kind], encodePrivileges(privileges)),
      );
    return edited === body ? descriptor.raw : wrapBody(descriptor, edited);
  }
}

/**
 * Rewrites descriptors at the level of the wire: everything but the ids (and what the options name) survives byte for
 * byte, in its order. @throws SpanvaultError SV_CORRUPT_MANIFEST
 */
export function rewriteDescriptors(descriptors: Iterable<Descriptor>, options: RewriteOptions): Uint8Array[] {
  const rewriter = new Rewriter(options);
  return [...descriptors].map((descriptor) => rewriter.rewrite(descriptor));
}
