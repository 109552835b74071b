/** `starling members admit` and `refuse` */
import type { GrantListResult, KnockAnswerResult } from '../../../builtin/results.ts';
import { didFromPeerId } from '../../../identity/did.ts';
import type { PeerId } from '../../../core/index.ts';
import type { NodeClient } from '../../node/client.ts';
import { grantsHold } from '../../terminal/lines/peer-lines.ts';
import { asSentence, printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

interface AdmitOptions extends CommonOptions {
  readonly invite?: boolean;
}

/** Lets the node in, and says what it may do now. */
export async function admit(who: readonly string[], options: AdmitOptions): Promise<void> {
  const { holder, result } = await withNode(options, async (node) => {
    const answered = await answer(node, who, true, options);
    const isForPeople = options.json !== true;
    return {
      result: answered,
      holder: isForPeople ? await holderOf(node, answered.peerId) : undefined,
    };
  });
  const { name, fingerprint, peerId } = result;
  const may =
    holder === undefined
      ? `it may use nothing yet: starling grant create ${wordOf(name, peerId)} --tool '<server>/*'`
      : grantsHold(holder);
  printData(result, options.json === true, () =>
    asSentence(`${name} (${fingerprint}) is let in; ${may}`),
  );
}

/** Refuses the node. */
export async function refuse(who: readonly string[], options: CommonOptions): Promise<void> {
  const { name, fingerprint, ...result } = await withNode(options, (node) =>
    answer(node, who, false, options),
  );
  printData({ name, fingerprint, ...result }, options.json === true, () =>
    asSentence(`${name} (${fingerprint}) is refused, and told so`),
  );
}

/** How a command names the node: a stranger chose its name, and a person may paste the line. */
function wordOf(name: string, peerId: string): string {
  return /^[\w.][\w.-]*$/.test(name) ? name : peerId;
}

/** What who is let in is called in the grants that it holds of before; undefined where none of them is valid. */
async function holderOf(node: NodeClient, peerId: PeerId): Promise<string | undefined> {
  const did = didFromPeerId(peerId);
  const { grants } = await node.builtin<GrantListResult>('grant_list');
  return grants.find(
    (grant) => grant.direction === 'issued' && grant.did === did && grant.state === 'valid',
  )?.with;
}

/** The four words may come without quotes. */
function answer(
  node: NodeClient,
  who: readonly string[],
  isWelcome: boolean,
  options: AdmitOptions,
): Promise<KnockAnswerResult> {
  return node.builtin<KnockAnswerResult>('knock_answer', {
    who: who.join(' '),
    admit: isWelcome,
    ...(options.invite === false ? { can_invite: false } : {}),
  });
}
