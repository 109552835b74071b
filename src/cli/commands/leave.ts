/** `starling leave` */
import type { ExitCode } from '../../core/exit-codes.ts';
import type { LeaveResult, MembersResult, StatusResult } from '../../builtin/results.ts';
import { StarlingError } from '../../core/errors.ts';
import type { NodeClient } from '../node/client.ts';
import { attach } from '../node/client.ts';
import { stateDirOf } from '../node/locate-node.ts';
import type { CommonOptions } from '../options/common-options.ts';
import { ask, canAsk, nobodyAgreed } from '../terminal/questions/ask.ts';
import { asSentence, printData, safeLine, tell } from '../terminal/output.ts';
import { passphraseOf } from '../terminal/questions/passphrase.ts';

interface LeaveOptions extends CommonOptions {
  readonly yes?: boolean;
}

/** Leaves the mesh, once that is agreed: by the running node, else in its state folder. */
export async function run(options: LeaveOptions): Promise<ExitCode | void> {
  const stateDir = await stateDirOf(options);
  const node = await attach(stateDir).catch((error: unknown) => {
    if (error instanceof StarlingError && error.code === 'STARLING_NODE_UNREACHABLE')
      return undefined;
    throw error;
  });
  try {
    const { left, isTold } = await (node === undefined
      ? withoutNode(stateDir, options)
      : withRunning(node, options));
    if (left === undefined) {
      tell('nothing was changed');
      return 1;
    }
    printData(left, options.json === true, () => asSentence(describe(left, isTold)));
  } finally {
    node?.close();
  }
}

interface Left {
  /** Undefined when the person said no. */
  readonly left?: LeaveResult;
  readonly isTold: boolean;
}

async function withRunning(node: NodeClient, options: LeaveOptions): Promise<Left> {
  const { mesh } = await node.builtin<StatusResult>('status');
  const { members } = await node.builtin<MembersResult>('members');
  const others = members.filter(({ isSelf, state }) => !isSelf && state === 'member').length;
  const isFounder = members.some((one) => one.isSelf && one.isFounder);
  if (!(await isAgreed(questionOf(mesh, others, isFounder && others > 0), options)))
    return { isTold: true };
  return { left: await node.builtin<LeaveResult>('mesh_leave'), isTold: true };
}

async function withoutNode(stateDir: string, options: LeaveOptions): Promise<Left> {
  const passphrase = passphraseOf(process.env);
  const { leaveOffline } = await import('../node/leave-offline.ts');
  const left = await leaveOffline(stateDir, passphrase, (mesh) =>
    isAgreed(questionOf(mesh, undefined, false), options),
  );
  return { isTold: false, ...(left === undefined ? {} : { left }) };
}

function questionOf(
  { name, fingerprint }: Pick<StatusResult['mesh'], 'name' | 'fingerprint'>,
  others: number | undefined,
  isRoot: boolean,
): string {
  const stay =
    others === undefined
      ? ' No node runs here, so that its members are not told.'
      : others === 0
        ? ''
        : ` Its ${others === 1 ? 'other member stays' : `${others} other members stay`} in it.`;
  const root = isRoot
    ? ' This node founded it: nobody else can put out whom this node let in.'
    : '';
  return `Leave the mesh '${name}' (${fingerprint})?${stay}${root} The grants that this node gave end, and its boards are forgotten; its key stays.`;
}

async function isAgreed(question: string, { yes, json }: LeaveOptions): Promise<boolean> {
  if (yes === true) return true;
  if (json === true || !canAsk()) {
    tell(safeLine(question));
    throw nobodyAgreed('leaving ends what is said above');
  }
  return (await ask(safeLine(question), ['no', 'yes'])) === 'yes';
}

function describe({ mesh, fingerprint, grants, told }: LeaveResult, isTold: boolean): string {
  const ended = grants === 0 ? '' : `; ${grants} ${grants === 1 ? 'grant' : 'grants'} of it ended`;
  const heard = isTold
    ? `; ${told === 0 ? 'no member was connected' : told === 1 ? 'one member was told' : `${told} members were told`}`
    : '; nobody was told: whoever let it in can put it out, by: starling peers remove <peer>';
  return `this node has left the mesh '${mesh}' (${fingerprint})${ended}${heard}. starling up founds one anew, starling up --join <ticket> joins another`;
}
