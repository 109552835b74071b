/** `starling model test` */
import { StarlingError } from '../../../core/errors.ts';
import { systemClock } from '../../../core/time/clock.ts';
import { durationText } from '../../../core/time/duration.ts';
import { pause } from '../../../core/wait.ts';
import type { ModelTestResult } from '../../../models/types.ts';
import { readOwnConfig } from '../../node/config-file.ts';
import { withNode } from '../../node/locate-node.ts';
import { paint, printData, safeLine } from '../../terminal/output.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** For a node that hangs: the provider's own timeout ends the call sooner. */
const TIMEOUT_MS = 25 * 3_600_000;
const SHOWN_MAX = 8;
/** A node that runs looks at its config file each second. */
const TAKEN_UP_MS = 5000;
const LOOK_MS = 250;

/** Asks the provider, or the model, and prints what it says. @throws what the provider fails with */
export async function run(name: string, options: CommonOptions): Promise<void> {
  const result = await tested(name, options);
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

/** Tests it; one that was just written to the config file once the node has taken that up. */
async function tested(name: string, options: CommonOptions): Promise<ModelTestResult> {
  const until = systemClock.now() + TAKEN_UP_MS;
  let isWritten: boolean | undefined;
  for (;;) {
    try {
      return await withNode(options, (node) =>
        node.builtin<ModelTestResult>('model_test', { name }, { timeoutMs: TIMEOUT_MS }),
      );
    } catch (error) {
      if (!(error instanceof StarlingError) || error.code !== 'STARLING_MODEL_UNKNOWN') throw error;
      isWritten ??= await isInFile(name, options);
      if (!isWritten || systemClock.now() >= until) throw error;
      await pause(systemClock, LOOK_MS);
    }
  }
}

/** Models of a provider that the node has are known or not at once; its provider alone may be on its way. */
async function isInFile(name: string, options: CommonOptions): Promise<boolean> {
  const [provider = ''] = name.split('/');
  const { providers } = await readOwnConfig(options);
  return providers.has(provider);
}
