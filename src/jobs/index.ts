/**
 * jobs/: what runs, under which id, how far it is and how it ended. Owns job ids, statuses and the registry of one process.
 * Must not know an operation's insides, a cluster or a store: an operation is a function that reports fractions.
 */
export {
  type JobHandle,
  type JobRecord,
  JobRegistry,
  type JobStatus,
  type JobType,
  type StartedJob,
} from './registry.js';
