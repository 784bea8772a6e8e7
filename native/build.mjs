/*
 * Builds the native module: `npm run build:native`. Output: native/binding/index.js, index.d.ts and *.node.
 * Honours CARGO_TARGET_DIR. Without a tool chain it says in one sentence what to install.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const native = dirname(fileURLToPath(import.meta.url));
const root = dirname(native);

/** Oldest compiler that builds the workspace, as its Cargo.toml says. */
function minimumRust() {
  const found = /^rust-version = "(\d+)\.(\d+)/m.exec(readFileSync(join(native, 'Cargo.toml'), 'utf8'));
  if (found === null) throw new Error('native/Cargo.toml has no rust-version');
  return [Number(found[1]), Number(found[2])];
}

/** Version of a tool as [major, minor], or undefined when it does not run. */
function versionOf(tool) {
  const { status, stdout } = spawnSync(tool, ['--version'], { encoding: 'utf8', cwd: native });
  const found = status === 0 ? /(\d+)\.(\d+)\.\d+/.exec(stdout) : null;
  return found === null ? undefined : [Number(found[1]), Number(found[2])];
}

function refuse(reason, minimum) {
  console.error(
    `spanvault builds native code and ${reason}: install Rust stable >= ${minimum.join('.')} from https://rustup.rs (and a C compiler), then run npm again.`,
  );
  process.exit(1);
}

const minimum = minimumRust();
for (const tool of ['cargo', 'rustc']) {
  const version = versionOf(tool);
  if (version === undefined) refuse(`${tool} was not found`, minimum);
  if (version[0] < minimum[0] || (version[0] === minimum[0] && version[1] < minimum[1])) {
    refuse(`${tool} ${version.join('.')} is too old`, minimum);
  }
}

const cli = join(dirname(createRequire(import.meta.url).resolve('@napi-rs/cli/package.json')), 'dist', 'cli.js');
const binding = join(native, 'binding');
const target = resolve(root, process.env.CARGO_TARGET_DIR || join(native, 'target'));
const args = [cli, 'build', '--release', '--platform', '--esm', '--manifest-path', join(binding, 'Cargo.toml')];
args.push('--package-json-path', join(root, 'package.json'), '--output-dir', binding, '--target-dir', target);
args.push('--js', 'index.js', '--dts', 'index.d.ts', '--', '--locked');
const { status } = spawnSync(process.execPath, args, { stdio: 'inherit', cwd: root });
process.exit(status ?? 1);
