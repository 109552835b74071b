/** `starling members` */
import type { KnockListResult } from '../../../builtin/results.ts';
import { ago, printData, table } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Prints who asks to join. */
export async function run(options: CommonOptions): Promise<void> {
  const { knocks } = await withNode(options, (node) => node.builtin<KnockListResult>('knock_list'));
  printData({ knocks }, options.json === true, () =>
    knocks.length === 0
      ? 'nobody asks to join; on another machine of this network: starling up --knock <mesh>'
      : table(
          ['ASKS TO JOIN', 'FOUR WORDS OF ITS KEY', 'ADDRESS', 'SINCE'],
          knocks.map(({ name, fingerprint, address, at }) => [name, fingerprint, address, ago(at)]),
        ),
  );
}
