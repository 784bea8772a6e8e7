import type { Command } from 'commander';
import { type Context, withExamples } from './context.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** One command with what may follow it. */
interface CommandWords {
  /** `show backup`; empty for the program itself. */
  readonly path: string;
  readonly subcommands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly {
    readonly flag: string;
    readonly description: string;
    readonly choices: readonly string[];
    readonly takesValue: boolean;
  }[];
}

/** `spanvault completion`: scripts made from the command tree, so that they cannot differ from it. */
export function addCompletionCommand(program: Command, context: Context): void {
  const command = program
    .command('completion')
    .description('print a completion script for a shell')
    .argument('<shell>', SHELLS.join(', '))
    .action((shell: string, _options: unknown, self: Command) => {
      const words = commandWords(program, []);
      if (shell === 'bash') context.io.stdout.write(bashScript(words));
      else if (shell === 'zsh')
        context.io.stdout.write(
          `#compdef spanvault\nautoload -U +X bashcompinit && bashcompinit\n${bashScript(words)}`,
        );
      else if (shell === 'fish') context.io.stdout.write(fishScript(words));
      else self.error(`error: unknown shell '${shell}'; the shells are ${SHELLS.join(', ')}`);
    });
  withExamples(
    command,
    'source <(spanvault completion bash)',
    'spanvault completion fish > ~/.config/fish/completions/spanvault.fish',
  );
}

function commandWords(command: Command, path: readonly string[]): CommandWords[] {
  const help = command.createHelp();
  const visible = help.visibleCommands(command).filter((sub) => sub.name() !== 'help');
  const own: CommandWords = {
    path: path.join(' '),
    subcommands: visible.map((sub) => ({ name: sub.name(), description: sub.description() })),
    options: help.visibleOptions(command).map((option) => ({
      flag: option.long ?? option.short ?? '',
      description: option.description,
      choices: option.argChoices ?? [],
      takesValue: option.required || option.optional,
    })),
  };
  return [own, ...visible.flatMap((sub) => commandWords(sub, [...path, sub.name()]))];
}

/** bash: the longest known command path before the cursor decides; values of options with choices complete too. */
function bashScript(commands: readonly CommandWords[]): string {
  const cases = commands.map(({ path, subcommands, options }) => {
    const words = [...subcommands.map(({ name }) => name), ...options.map(({ flag }) => flag)].join(' ');
    return `    '${path}') words='${words}' ;;`;
  });
  const choices = new Map(
    commands.flatMap(({ options }) =>
      options.filter((option) => option.choices.length > 0).map(({ flag, choices }) => [flag, choices]),
    ),
  );
  return `_spanvault() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" path='' word words=''
  case "$prev" in
${[...choices].map(([flag, values]) => `    ${flag}) COMPREPLY=($(compgen -W '${values.join(' ')}' -- "$cur")); return ;;`).join('\n')}
    --cluster|--external-io-dir|--dir) COMPREPLY=($(compgen -d -- "$cur")); return ;;
  esac
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
${commands
  .filter(({ path }) => path !== '')
  .map(({ path }) => `      '${path.includes(' ') ? path : ` ${path}`}') path='${path}' ;;`)
  .join('\n')}
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _spanvault spanvault
`;
}

function quoteFish(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function fishScript(commands: readonly CommandWords[]): string {
  const lines = ['complete -c spanvault -f'];
  for (const { path, subcommands, options } of commands) {
    const parts = path === '' ? [] : path.split(' ');
    const seen = parts.map((part) => `__fish_seen_subcommand_from ${part}`);
    const unseen =
      subcommands.length === 0
        ? []
        : [`not __fish_seen_subcommand_from ${subcommands.map(({ name }) => name).join(' ')}`];
    const condition = quoteFish([...seen, ...unseen].join('; and ') || 'true');
    for (const { name, description } of subcommands)
      lines.push(`complete -c spanvault -n ${condition} -a ${name} -d ${quoteFish(description)}`);
    for (const { flag, description, choices, takesValue } of options) {
      const value = choices.length > 0 ? ` -x -a ${quoteFish(choices.join(' '))}` : takesValue ? ' -r' : '';
      lines.push(
        `complete -c spanvault -n ${condition} -l ${flag.replace(/^-+/, '')}${value} -d ${quoteFish(description)}`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}
