/**
 * Options that people try because other programs have them, with the option of ours that does what is meant.
 * Letters alone would find nothing near (`--calls`: `--uses`).
 */

type Meant = Readonly<Record<string, string>>;

/** One answer for many words. */
function all(words: string, answer: string): Meant {
  return Object.fromEntries(words.split(' ').map((word) => [word, answer]));
}

const GRANT: Meant = {
  ...all('--calls --count --max --max-calls --max-uses --times --limit -n', '--uses <count>'),
  ...all(
    '--for --ttl --duration --expiry --expire --expiration --until --timeout --lifetime --valid -t',
    '--expires <duration>',
  ),
  ...all(
    '--path --folder --dir --directory --args --argument --param --where --only',
    "--arg 'path=/srv/docs/**'",
  ),
  ...all('--approve --approval --ask --confirm --require-approval', '--needs-approval'),
  ...all('--depth --delegate --delegable', '--max-depth <n>'),
  ...all('--time --times-of-day --schedule --when --between --day', "--hours '08:00-18:00'"),
  ...all('--throttle --rate-limit --per-minute', '--rate 10/m'),
  ...all('--function --method --call --name', "--tool '<server>/<tool>'"),
};

const AUDIT: Meant = {
  ...all('--grep --filter --tool --search', '--what <text>'),
  ...all('--peer --user --by --caller --name', '--who <who>'),
  ...all('--wide --long -l --verbose -v', 'all fields: --json'),
};

const TIMES: Meant = all(
  '--ttl --for --duration --expiry --expire --until',
  '--expires <duration>',
);

/** By command. */
const OF_A_COMMAND: Readonly<Record<string, Meant>> = {
  up: {
    ...all(
      '--port -p',
      '--listen /ip4/0.0.0.0/tcp/<port> (that of MCP clients: --http-port <port>)',
    ),
    ...all(
      '--host --bind --address --addr',
      '--listen /ip4/<address>/tcp/<port> (that of MCP clients: --http-host <host>)',
    ),
    ...all('--ticket --token --invitation --invite-code', '--join <ticket>'),
    ...all('--peer --peers --connect --seed --seeds', '--bootstrap <multiaddr>'),
    ...all(
      '--daemon -d --detach --background --service',
      'have the node run in the background with: starling service install',
    ),
    ...all('--debug --trace --log-level', '--log debug'),
    ...all('--mesh --network', '--mesh-name <name>'),
    ...all('-n --alias --hostname', '--name <name>'),
    ...all('-y --force -f', '--yes'),
    ...all('--discover --scan --lan', '--knock'),
  },
  call: {
    ...all(
      '--params --parameters --input --data --arguments --body -d -p',
      '--args \'{"name": "value"}\'',
    ),
    ...all('-a --param --set', '--arg <name=value>'),
    ...all('--wait', '--timeout <duration>'),
    ...all('--text --plain', '--raw'),
  },
  request: {
    ...all('--why --reason --justification --message -m', '--because <text>'),
  },
  'grant create': GRANT,
  'grant delegate': GRANT,
  'grant revoke': all('--because --why --message -m', '--reason <text>'),
  'grant list': all('--long -l --verbose -v --raw', '--wide'),
  'peers remove': all('--because --why --message -m', '--reason <text>'),
  members: all('--wide --long -l --verbose --all -a', 'all fields: starling members --json'),
  approvals: all('--wide --long -l --verbose', 'all fields: starling approvals --json'),
  'key create': {
    ...all('--role --allow --grant --permission --permissions --tool --only', '--scope <pattern>'),
    ...TIMES,
  },
  'approvals deny': all('--because --why --message -m', '--reason <text>'),
  invite: {
    ...all('--count --max --nodes --limit -n', '--uses <n>'),
    ...all(
      '--name --alias --for',
      'who joins brings a name: starling up --join <ticket> --name <name>',
    ),
    ...TIMES,
  },
  peers: all('--long -l --verbose --all -a', '--wide'),
  status: all('--long -l --verbose --all -a', '--wide'),
  'audit query': {
    ...AUDIT,
    ...all('--from --after --start --date --day', '--since <when>'),
    ...all('--to --before --end', '--until <when>'),
    ...all('-f --follow --watch', 'follow the record with: starling audit tail'),
    ...all('-n --count --tail --lines --max', '--limit <n>'),
  },
  'audit tail': { ...AUDIT, ...all('--count --limit --tail', '--lines <n>') },
  'secret set': all(
    '--value --from-literal',
    'a value given here would stand in the history of the shell: the command asks for it, or take --file <file>',
  ),
  connect: {
    ...all('--uninstall --delete --undo', '--remove'),
    ...all('--local', '--project'),
    ...all('-n --show --print', '--dry-run'),
  },
};

/** On any command that has the option that is named. */
const ANYWHERE: Meant = {
  ...all('--format --output -o', '--json'),
  ...all('--data-dir --data --state-dir --home --dir --folder', '--state <folder>'),
  ...all('-c --config-file', '--config <file>'),
  ...all('--instance --profile --context', '--node <name>'),
};

/** What to say instead of `option` after the command `path`; undefined when nobody can tell. `has` are its options. */
export function meantOption(
  path: string,
  option: string,
  has: readonly string[],
): string | undefined {
  const [name = '', ...rest] = option.split('=');
  const own = OF_A_COMMAND[path];
  const meant =
    own !== undefined && Object.hasOwn(own, name)
      ? own[name]
      : Object.hasOwn(ANYWHERE, name)
        ? ANYWHERE[name]
        : undefined;
  if (meant === undefined && path === 'call' && rest.length > 0 && !has.includes(name)) {
    // The arguments of the tool were written as options of the command.
    const word = `${name.replace(/^-+/, '')}=${rest.join('=')}`;
    return `arguments of the tool stand without dashes: write ${/^[\w./:=@-]+$/.test(word) ? word : `'${word}'`}`;
  }
  if (meant === undefined) return undefined;
  const [first = ''] = meant.split(' ');
  if (!first.startsWith('--')) return meant;
  return has.includes(first) ? `did you mean ${meant}?` : undefined;
}

/** All answers by command, for the test that looks whether each command has what is named. */
export const MEANT_OPTIONS: Readonly<Record<string, Meant>> = OF_A_COMMAND;
