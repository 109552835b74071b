/** All pages of `docs/reference`: generated from the code, and compared with it by a test. */
import { commandsPage } from './commands.ts';
import { configurationPage } from './configuration.ts';
import { environmentPage } from './environment.ts';
import { errorsPage } from './errors.ts';
import { limitsPage } from './limits.ts';
import { metricsPage } from './metrics.ts';

/** Names of the files in `docs/reference` and what belongs into each; `source` is the folder `src`. */
export async function referencePages(source: string): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ['commands.md', commandsPage()],
    ['configuration.md', configurationPage()],
    ['environment.md', environmentPage()],
    ['errors.md', errorsPage()],
    ['limits.md', await limitsPage(source)],
    ['metrics.md', metricsPage()],
  ]);
}
