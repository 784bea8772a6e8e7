// Runs one task and ends, with the threads left waiting for a next run.
import { TaskPool } from '#src/executor/index.js';

const pool = new TaskPool({ workers: 2 });
const module = new URL('./crash_tasks.mjs', import.meta.url).href;
await pool.run([{ module, export: 'double', args: { value: 1 } }], (result) => console.log(result));
await pool.close();
