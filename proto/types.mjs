// Puts the declarations that pbjs and peggy wrote over the poorer ones that tsc derives from their JavaScript. Runs after tsc.
import { copyFileSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
for (const room of readdirSync(join(root, 'src'))) {
  const from = join(root, 'src', room, 'generated');
  if (!existsSync(from)) continue;
  for (const file of readdirSync(from).filter((name) => name.endsWith('.d.ts'))) {
    copyFileSync(join(from, file), join(root, 'dist', room, 'generated', file));
  }
}
