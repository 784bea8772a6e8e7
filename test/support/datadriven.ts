import { readFileSync, writeFileSync } from 'node:fs';

/** One case of a script: `command arg arg`, input lines, `----`, expected output lines, an empty line. */
export interface ScriptCase {
  readonly line: number;
  readonly command: string;
  readonly args: readonly string[];
  readonly input: readonly string[];
  readonly expected: string;
}

function parse(text: string): { readonly prose: readonly string[]; readonly case?: ScriptCase }[] {
  const lines = text.split('\n');
  const blocks: { prose: string[]; case?: ScriptCase }[] = [];
  let prose: string[] = [];
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index]!;
    if (line === '' || line.startsWith('#')) {
      prose.push(line);
      continue;
    }
    const start = index;
    const head = line.split(' ');
    const input: string[] = [];
    for (index++; lines[index] !== '----'; index++) {
      if (index >= lines.length) throw new Error(`case at line ${start + 1} has no ----`);
      input.push(lines[index]!);
    }
    const expected: string[] = [];
    for (index++; index < lines.length && lines[index] !== ''; index++) expected.push(lines[index]!);
    blocks.push({
      prose,
      case: { line: start + 1, command: head[0]!, args: head.slice(1), input, expected: expected.join('\n') },
    });
    prose = [''];
  }
  blocks.push({ prose });
  return blocks;
}

/** A case whose output is not the script's. */
export interface ScriptDifference {
  readonly line: number;
  readonly expected: string;
  readonly actual: string;
}

/**
 * Runs every case of a script and returns the differences; an empty list means that the script holds. With
 * SPANVAULT_REWRITE=1 the script is rewritten with what the code does now, for review as a diff.
 */
export function runScript(path: string, run: (one: ScriptCase) => string): ScriptDifference[] {
  const blocks = parse(readFileSync(path, 'utf8'));
  return compare(
    path,
    blocks,
    blocks.map((block) => (block.case === undefined ? undefined : run(block.case))),
  );
}

/** The same for cases that take time; they run one after the other. */
export async function runScriptAsync(
  path: string,
  run: (one: ScriptCase) => Promise<string>,
): Promise<ScriptDifference[]> {
  const blocks = parse(readFileSync(path, 'utf8'));
  const results: (string | undefined)[] = [];
  for (const block of blocks) results.push(block.case === undefined ? undefined : await run(block.case));
  return compare(path, blocks, results);
}

function compare(
  path: string,
  blocks: ReturnType<typeof parse>,
  results: readonly (string | undefined)[],
): ScriptDifference[] {
  if (process.env.SPANVAULT_REWRITE === '1') {
    const text = blocks.flatMap((block, index) => {
      if (block.case === undefined) return block.prose;
      const { command, args, input } = block.case;
      return [...block.prose, [command, ...args].join(' '), ...input, '----', results[index]!];
    });
    writeFileSync(path, text.join('\n'));
    return [];
  }
  return blocks.flatMap((block, index) => {
    const one = block.case;
    const actual = results[index];
    return one === undefined || actual === undefined || actual === one.expected
      ? []
      : [{ line: one.line, expected: one.expected, actual }];
  });
}
