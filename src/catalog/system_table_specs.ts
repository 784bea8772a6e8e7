import type { PrivilegeSpec, TableSpec } from './table_spec.js';

/*
 * Columns, families and indexes of system tables as 21.1 has them; a test compares them with real descriptors.
 */

/** Fixed ids of system tables. */
export const SYSTEM_TABLE_IDS = {
  deprecatedNamespace: 2,
  descriptor: 3,
  users: 4,
  zones: 5,
  settings: 6,
  ui: 14,
  jobs: 15,
  locations: 21,
  roleMembers: 23,
  comments: 24,
  namespace: 30,
  roleOptions: 33,
  scheduledJobs: 37,
} as const;

function privileges(bits: number, ...others: PrivilegeSpec['users']): PrivilegeSpec {
  const users = [{ user: 'admin', privileges: bits }, { user: 'root', privileges: bits }, ...others];
  return { owner: 'node', users };
}

/** Privileges of what nobody writes by SQL. */
export const READ_ONLY = privileges(16 | 32);
const READ_WRITE = privileges(16 | 32 | 64 | 128 | 256);
const PUBLIC_READ = privileges(16 | 32 | 64 | 128 | 256, { user: 'public', privileges: 32 });

/** One system table: fixed id, privileges and columns. */
export interface SystemTable {
  readonly id: number;
  readonly privileges: PrivilegeSpec;
  readonly spec: TableSpec;
}

const NOW = 'now():::TIMESTAMP';

function required(name: string, type: string, expression?: string): TableSpec['columns'][number] {
  return { name, type, nullable: false, ...(expression === undefined ? {} : { default: expression }) };
}

function optional(name: string, type: string): TableSpec['columns'][number] {
  return { name, type };
}

/** Tables of the system configuration, and the namespace. */
export const CONFIG_TABLES: readonly SystemTable[] = [
  {
    id: SYSTEM_TABLE_IDS.deprecatedNamespace,
    privileges: READ_ONLY,
    spec: {
      name: 'namespace',
      columns: [required('parentID', 'INT8'), required('name', 'STRING'), optional('id', 'INT8')],
      primaryKey: ['parentID', 'name'],
      families: [
        { name: 'primary', columns: ['parentID', 'name'] },
        { name: 'fam_3_id', columns: ['id'], id: 3 },
      ],
    },
  },
  {
    id: SYSTEM_TABLE_IDS.descriptor,
    privileges: READ_ONLY,
    spec: {
      name: 'descriptor',
      columns: [required('id', 'INT8'), optional('descriptor', 'BYTES')],
      primaryKey: ['id'],
      families: [
        { name: 'primary', columns: ['id'] },
        { name: 'fam_2_descriptor', columns: ['descriptor'], id: 2 },
      ],
    },
  },
  {
    id: SYSTEM_TABLE_IDS.users,
    privileges: READ_WRITE,
    spec: {
      name: 'users',
      columns: [
        required('username', 'STRING'),
        optional('hashedPassword', 'BYTES'),
        required('isRole', 'BOOL', 'false'),
      ],
      primaryKey: ['username'],
      families: [
        { name: 'primary', columns: ['username'] },
        { name: 'fam_2_hashedPassword', columns: ['hashedPassword'], id: 2 },
        { name: 'fam_3_isRole', columns: ['isRole'], id: 3 },
      ],
    },
  },
  {
    id: SYSTEM_TABLE_IDS.zones,
    privileges: READ_WRITE,
    spec: {
      name: 'zones',
      columns: [required('id', 'INT8'), optional('config', 'BYTES')],
      primaryKey: ['id'],
      families: [
        { name: 'primary', columns: ['id'] },
        { name: 'fam_2_config', columns: ['config'], id: 2 },
      ],
    },
  },
  {
    id: SYSTEM_TABLE_IDS.settings,
    privileges: READ_WRITE,
    spec: {
      name: 'settings',
      columns: [
        required('name', 'STRING'),
        required('value', 'STRING'),
        required('lastUpdated', 'TIMESTAMP', NOW),
        optional('valueType', 'STRING'),
      ],
      primaryKey: ['name'],
      families: [
        { name: 'fam_0_name_value_lastUpdated_valueType', columns: ['name', 'value', 'lastUpdated', 'valueType'] },
      ],
    },
  },
  {
    id: SYSTEM_TABLE_IDS.namespace,
    privileges: READ_ONLY,
    spec: {
      name: 'namespace2',
      columns: [
        required('parentID', 'INT8'),
        required('parentSchemaID', 'INT8'),
        required('name', 'STRING'),
        optional('id', 'INT8'),
      ],
      primaryKey: ['parentID', 'parentSchemaID', 'name'],
      families: [
        { name: 'primary', columns: ['parentID', 'parentSchemaID', 'name'] },
        { name: 'fam_4_id', columns: ['id'], id: 4 },
      ],
    },
  },
];

/** The other system tables. */
export const DATA_TABLES: readonly SystemTable[] = [
  {
    id: SYSTEM_TABLE_IDS.ui,
    privileges: READ_WRITE,
    spec: {
      name: 'ui',
      columns: [required('key', 'STRING'), optional('value', 'BYTES'), required('lastUpdated', 'TIMESTAMP')],
      primaryKey: ['key'],
      families: [
        { name: 'primary', columns: ['key'] },
        { name: 'fam_2_value', columns: ['value'], id: 2 },
        { name: 'fam_3_lastUpdated', columns: ['lastUpdated'], id: 3 },
      ],
    },
  },
  {
    id: SYSTEM_TABLE_IDS.jobs,
    privileges: READ_WRITE,
    spec: {
      name: 'jobs',
      columns: [
        required('id', 'INT8', 'unique_rowid()'),
        required('status', 'STRING'),
        required('created', 'TIMESTAMP', NOW),
        required('payload', 'BYTES'),
        optional('progress', 'BYTES'),
        optional('created_by_type', 'STRING'),
        optional('created_by_id', 'INT8'),
        optional('claim_session_id', 'BYTES'),
        optional('claim_instance_id', 'INT8'),
      ],
      primaryKey: ['id'],
      indexes: [
        { name: 'jobs_status_created_idx', columns: ['status', 'created'] },
        {
          name: 'jobs_created_by_type_created_by_id_idx',
          columns: ['created_by_type', 'created_by_id'],
          storing: ['status'],
        },
      ],
      families: [
        {
          name: 'fam_0_id_status_created_payload',
          columns: ['id', 'status', 'created', 'payload', 'created_by_type', 'created_by_id'],
        },
        { name: 'progress', columns: ['progress'] },
        { name: 'claim', columns: ['claim_session_id', 'claim_instance_id'] },
      ],
    },
  },
  {
    id: SYSTEM_TABLE_IDS.locations,
    privileges: READ_WRITE,
    spec: {
      name: 'locations',
      columns: [
        required('localityKey', 'STRING'),
        required('localityValue', 'STRING'),
        required('latitude', 'DECIMAL(18,15)'),
        required('longitude', 'DECIMAL(18,15)'),
      ],
      primaryKey: ['localityKey', 'localityValue'],
      families: [
        {
          name: 'fam_0_localityKey_localityValue_latitude_longitude',
          columns: ['localityKey', 'localityValue', 'latitude', 'longitude'],
        },
      ],
    },
  },
  {
    id: SYSTEM_TABLE_IDS.roleMembers,
    privileges: READ_WRITE,
    spec: {
      name: 'role_members',
      columns: [required('role', 'STRING'), required('member', 'STRING'), required('isAdmin', 'BOOL')],
      primaryKey: ['role', 'member'],
      indexes: [
        { name: 'role_members_role_idx', columns: ['role'] },
        { name: 'role_members_member_idx', columns: ['member'] },
      ],
      families: [
        { name: 'primary', columns: ['role', 'member'] },
        { name: 'fam_3_isAdmin', columns: ['isAdmin'], id: 3 },
      ],
    },
  },
  {
    id: SYSTEM_TABLE_IDS.comments,
    privileges: PUBLIC_READ,
    spec: {
      name: 'comments',
      columns: [
        required('type', 'INT8'),
        required('object_id', 'INT8'),
        required('sub_id', 'INT8'),
        required('comment', 'STRING'),
      ],
      primaryKey: ['type', 'object_id', 'sub_id'],
      families: [
        { name: 'primary', columns: ['type', 'object_id', 'sub_id'] },
        { name: 'fam_4_comment', columns: ['comment'], id: 4 },
      ],
    },
  },
  {
    id: SYSTEM_TABLE_IDS.roleOptions,
    privileges: READ_WRITE,
    spec: {
      name: 'role_options',
      columns: [required('username', 'STRING'), required('option', 'STRING'), optional('value', 'STRING')],
      primaryKey: ['username', 'option'],
    },
  },
  {
    id: SYSTEM_TABLE_IDS.scheduledJobs,
    privileges: READ_WRITE,
    spec: {
      name: 'scheduled_jobs',
      columns: [
        required('schedule_id', 'INT8', 'unique_rowid()'),
        required('schedule_name', 'STRING'),
        required('created', 'TIMESTAMPTZ', 'now():::TIMESTAMPTZ'),
        required('owner', 'STRING'),
        optional('next_run', 'TIMESTAMPTZ'),
        optional('schedule_state', 'BYTES'),
        optional('schedule_expr', 'STRING'),
        optional('schedule_details', 'BYTES'),
        required('executor_type', 'STRING'),
        required('execution_args', 'BYTES'),
      ],
      primaryKey: ['schedule_id'],
      indexes: [{ name: 'next_run_idx', columns: ['next_run'] }],
      families: [
        { name: 'sched', columns: ['schedule_id', 'next_run', 'schedule_state'] },
        {
          name: 'other',
          columns: [
            'schedule_name',
            'created',
            'owner',
            'schedule_expr',
            'schedule_details',
            'executor_type',
            'execution_args',
          ],
        },
      ],
    },
  },
];
