/** `starling agent add` */
import type { RemoteCard } from '../../../agents/types.ts';
import type { ExitCode } from '../../../core/exit-codes.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { ask, canAsk, nobodyAgreed } from '../../terminal/questions/ask.ts';
import { printData, safeLine, table, tell } from '../../terminal/output.ts';

interface AddOptions extends CommonOptions {
  readonly name?: string;
  readonly secret?: string;
  readonly listed?: boolean;
  readonly yes?: boolean;
}

/** Shows the card, asks, and adds the agent. */
export async function run(url: string, options: AddOptions): Promise<ExitCode | void> {
  const { json, listed, secret } = options;
  const credential = secret === undefined ? {} : { secret };
  const result = await withNode(options, async (node) => {
    const card = await node.builtin<RemoteCard>('agent_card', { url, ...credential });
    const name = options.name ?? nameFor(card.name);
    if (!(await isAgreed(card, name, options))) return undefined;
    return node.builtin<{ readonly name: string; readonly card: RemoteCard }>('agent_add', {
      url,
      digest: card.digest,
      name,
      ...credential,
      ...(listed === undefined ? {} : { listed }),
    });
  });
  if (result === undefined) {
    tell('nothing was added');
    return 1;
  }
  printData(result, json === true, () =>
    safeLine(`${result.name} is an agent of this node now, and answers from ${result.card.host}`),
  );
}

async function isAgreed(card: RemoteCard, name: string, options: AddOptions): Promise<boolean> {
  if (options.json !== true) for (const line of describeCard(card).split('\n')) tell(line);
  if (options.yes === true) return true;
  if (options.json === true || !canAsk()) {
    throw nobodyAgreed('an agent elsewhere gets what is written to it');
  }
  const token = options.secret === undefined ? '' : ` and the secret ${options.secret}`;
  const question = `Add it as '${name}'? ${card.host} gets all that is written to it${token}.`;
  return (await ask(safeLine(question), ['no', 'yes'])) === 'yes';
}

/** Who signed it, where it is, and what it can do. */
export function describeCard(card: RemoteCard): string {
  const { description, endpoint, host, name, security, signer, skills } = card;
  const rows = [
    ['signed by', signer ?? 'nobody: it could be anybody’s'],
    ['host', host],
    ['endpoint', endpoint],
    ['asks for', security.join(', ') || 'no credential'],
    ...skills.map((skill, at) => [at === 0 ? 'skills' : '', `${skill.id}: ${skill.description}`]),
  ];
  return [
    safeLine(`${name}: ${description}`),
    table(['', ''], rows, { flexible: 1, wrap: true }),
  ].join('\n');
}

/** The name of the card, as far as agents may be called so. */
function nameFor(name: string): string {
  return name
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 64);
}
