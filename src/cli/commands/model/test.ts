/** `starling model test` */
import { durationText } from '../../../core/time/duration.ts';
import type { ModelTestResult } from '../../../models/types.ts';
import { withNode } from '../../node/locate-node.ts';
import { onceTakenUp } from '../../node/config-taken-up.ts';
import { paint, printData, safeLine } from '../../terminal/output.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** For a node that hangs: the provider's own timeout ends the call sooner. */
const TIMEOUT_MS = 25 * 3_600_000;
const SHOWN_MAX = 8;

/** Asks the provider, or the model, and prints what it says. @throws what the provider fails with */
export async function run(name: string, options: CommonOptions): Promise<void> {
  const result = await onceTakenUp(name, options, () =>
    withNode(options, (node) =>
      node.builtin<ModelTestResult>('model_test', { name }, { timeoutMs: TIMEOUT_MS }),
    ),
  );
  printData(result, options.json === true, () => {
    const ok = `${paint.green('✓')} ${safeLine(name)} answers`;
    const took = durationText(result.tookMs);
    if (result.models === undefined) {
      return `${ok} in ${took}: ${safeLine(result.response ?? '')}`;
    }
    const names = result.models.slice(0, SHOWN_MAX).map((one) => `${name}/${one}`);
    const more = result.models.length - names.length;
    const rest = more > 0 ? ` and ${more} more: starling model list` : '';
    return `${ok} in ${took}: ${safeLine(names.join(', '))}${rest}`;
  });
}
