/**
 * catalog/: descriptors of databases, schemas, tables, types and zone configurations with CockroachDB's bytes: decoding,
 * names, spans, rewriting of ids, SHOW CREATE texts, and new descriptors that CockroachDB accepts.
 * Must not read or write storage, hold data of rows, or lose a byte of a descriptor that it does not understand.
 */
export * from './builder.js';
export * from './catalog.js';
export * from './create_statement.js';
export * from './database_builder.js';
export * from './dependencies.js';
export * from './descriptor.js';
export { addReferencesToType, addSchemaToDatabase, stampDescriptor } from './descriptor_edits.js';
export { indexName, keyName } from './element_builder.js';
export * from './expressions.js';
export { inboundKeys, outboundKeys } from './foreign_keys.js';
export { encodePrivileges } from './message_parts.js';
export * from './names.js';
export * from './partitions.js';
export * from './regions.js';
export { DEFAULT_DATABASES, type RestoreOptions, requireEmptyCluster } from './restore_checks.js';
export * from './restore_plan.js';
export * from './rewrite.js';
export * from './rows_schema.js';
export * from './schema_edits.js';
export * from './spans.js';
export { SYSTEM_TABLE_IDS } from './system_table_specs.js';
export * from './system_tables.js';
export * from './table_spec.js';
export * from './targets.js';
export * from './tenants.js';
export * from './type_parser.js';
export { sqlTypeName } from './types.js';
export { editMessage, readFields, readVarint, setField, setVarint } from './wire.js';
export * from './workload_tables.js';
export * from './zone_config.js';
export * from './zone_constraints.js';
export { followIndexes } from './zone_moves.js';
export * from './zone_statements.js';
export * from './zone_text.js';
export * from './zone_validation.js';
export { applySettings, type ZoneSetting, type ZoneValue } from './zone_variables.js';
export * from './zones.js';
