/** `starling members admit` and `refuse` */
import type { KnockAnswerResult } from '../../../builtin/results.ts';
import { asSentence, printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

interface AdmitOptions extends CommonOptions {
  readonly invite?: boolean;
}

/** Lets the node in, and says what it may do now. */
export async function admit(who: readonly string[], options: AdmitOptions): Promise<void> {
  const { name, fingerprint, ...result } = await answer(who, true, options);
  printData({ name, fingerprint, ...result }, options.json === true, () =>
    asSentence(
      `${name} (${fingerprint}) is let in; it may use nothing yet: starling grant create ${wordOf(name, result.peerId)} --tool '<server>/*'`,
    ),
  );
}

/** Refuses the node. */
export async function refuse(who: readonly string[], options: CommonOptions): Promise<void> {
  const { name, fingerprint, ...result } = await answer(who, false, options);
  printData({ name, fingerprint, ...result }, options.json === true, () =>
    asSentence(`${name} (${fingerprint}) is refused, and told so`),
  );
}

/** How a command names the node: a stranger chose its name, and a person may paste the line. */
function wordOf(name: string, peerId: string): string {
  return /^[\w.][\w.-]*$/.test(name) ? name : peerId;
}

/** The four words may come without quotes. */
function answer(
  who: readonly string[],
  isWelcome: boolean,
  options: AdmitOptions,
): Promise<KnockAnswerResult> {
  return withNode(options, (node) =>
    node.builtin<KnockAnswerResult>('knock_answer', {
      who: who.join(' '),
      admit: isWelcome,
      ...(options.invite === false ? { can_invite: false } : {}),
    }),
  );
}
