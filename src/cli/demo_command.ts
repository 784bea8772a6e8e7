import type { Command } from 'commander';
import { type Context, wholeNumber, withExamples } from './context.js';
import { runDemo } from './demo.js';

/** `spanvault demo`. */
export function addDemoCommand(program: Command, context: Context): void {
  const demo = program
    .command('demo')
    .description('back up a multi-region cluster into a bucket per region, restore it, and prove the two equal')
    .option('--dir <dir>', 'keep clusters and buckets in this new directory (default: a temporary one, removed)')
    .option('--rows <n>', 'rows of the example data', wholeNumber(10))
    .action((options: { readonly dir?: string; readonly rows?: number }) => runDemo(context, options));
  withExamples(demo, 'spanvault demo', 'spanvault demo --dir ./demo --rows 500000');
}
