/** `starling board info` */
import type { BoardInfoResult } from '../../../builtin/results.ts';
import { shortId } from '../../../identity/short-id.ts';
import { ago, duration, printData, safeLine, table } from '../../terminal/output.ts';
import { comingText } from '../../terminal/lines/node-status.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { namesOf } from './writer-names.ts';

/** Shows what a board holds, and who wrote how often. */
export async function run(board: string, options: CommonOptions): Promise<void> {
  const { info, names } = await withNode(options, async (node) => ({
    info: await node.builtin<BoardInfoResult>('board_info', { board }),
    names: options.json === true ? new Map<string, string>() : await namesOf(node),
  }));
  printData(info, options.json === true, () => {
    const nameOf = (did: string): string => names.get(did) ?? shortId(did);
    const creation =
      info.createdBy === undefined || info.createdAt === undefined
        ? 'began with its first entry'
        : `created by ${nameOf(info.createdBy)} ${ago(info.createdAt)}`;
    const rights = [
      ...(info.rights ?? [])
        .filter(({ isRevoked }) => !isRevoked)
        .map(({ to, ability, on }) => [nameOf(to), ability, keysOf(on)]),
      ...(info.clients ?? []).map(({ client, ability, prefix }) => [
        `client:${client}`,
        ability,
        `${prefix}*`,
      ]),
    ];
    const writers = Object.entries(info.vector_clock).map(([did, count]) => [
      nameOf(did),
      String(count),
    ]);
    return [
      safeLine(
        `${info.name}: ${info.keys} ${info.keys === 1 ? 'entry' : 'entries'}, about ${info.bytes} bytes, ${info.open ? 'open to all members' : 'not open'}, ${creation}`,
      ),
      ...(info.held === undefined ? [] : [safeLine(heldText(info.held))]),
      ...(info.coming ?? []).map((coming) => safeLine(`coming in: ${comingText(coming)}`)),
      ...(info.early === undefined ? [] : [safeLine(earlyText(info.early))]),
      ...(rights.length === 0 ? [] : [table(['WHO', 'MAY', 'KEYS'], rights)]),
      ...(writers.length === 0 ? [] : [table(['WRITER', 'WRITES'], writers)]),
    ].join('\n');
  });
}

function heldText({ isHere, others, until }: NonNullable<BoardInfoResult['held']>): string {
  const nodes = others === 1 ? '1 other node' : `${others} other nodes`;
  if (!isHere) {
    return `held on demand: its entries are not here, and come when somebody here uses it; ${nodes} that are connected hold it`;
  }
  const left = until === undefined ? '' : duration(Math.max(0, until - Date.now()));
  return `held on demand: here, and by ${nodes} that are connected; unless it is used, this node may let go of it in ${left}`;
}

function earlyText({ count, nextAt }: NonNullable<BoardInfoResult['early']>): string {
  const updates = count === 1 ? '1 update is' : `${count} updates are`;
  return `${updates} stamped over a minute ahead of this node's clock; the first counts in ${duration(Math.max(0, nextAt - Date.now()))}`;
}

/** The keys that resources are about, as `board grant` takes them: `board:plan/tasks/**` is `tasks/*`. */
function keysOf(resources: readonly string[]): string {
  const prefixes = resources.map((resource) =>
    resource.slice(resource.indexOf('/') + 1).replace(/\*+(\/\*\*)?$/u, ''),
  );
  return `${decodeURIComponent(prefixes[0] ?? '')}*`;
}
