/** `starling service install` */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeFileAtomic } from '../../../core/system/atomic-file.ts';
import { StarlingError } from '../../../core/errors.ts';
import { runBriefly } from '../../../gateway/index.ts';
import { statusOf } from '../../node/running-already.ts';
import {
  isServiceActive,
  requireManager,
  serviceKind,
  startService,
} from '../../node/service-manager.ts';
import type { ServiceSystem } from '../../node/service-manager.ts';
import { asSentence, paintTalk, print, printData, safeLine, tell } from '../../terminal/output.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { planOf } from './plan.ts';
import type { ServicePlan } from './plan.ts';

interface InstallOptions extends CommonOptions {
  readonly print?: boolean;
}

const FILE_MODE = 0o600;

/** Writes the file and has the node started now and at each login; with `--print` it only shows the file. */
export async function run(options: InstallOptions, system: ServiceSystem = here()): Promise<void> {
  const plan = await planOf(options, system.platform);
  const { id, path, text } = plan.file;
  if (options.print === true) {
    if (options.json === true)
      print(JSON.stringify({ service: id, file: path, text, started: false }));
    else {
      tell(safeLine(`${path} would be:`));
      print(text.trimEnd());
    }
    return;
  }
  await refuseOther(plan);
  await requireManager(system, plan.line);
  await refuseSecond(plan, system);
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomic(path, text, FILE_MODE);
  await startService(system, plan.file);
  printData({ service: id, file: path, text, started: true }, options.json === true, () =>
    [
      asSentence(`wrote ${path}`),
      asSentence(`started ${id}: the node runs now, and at each of your logins`),
    ].join('\n'),
  );
  if (options.json !== true) for (const line of hints(plan, system)) tell(safeLine(line));
}

/** The system that this process runs on. */
function here(): ServiceSystem {
  const { platform, env } = process;
  return { platform, env, uid: process.getuid?.() ?? 0, run: runBriefly };
}

/** One service is not put in the place of another node's. @throws STARLING_USAGE */
async function refuseOther({ file, stateDir }: ServicePlan): Promise<void> {
  const before = await readFile(file.path, 'utf8').catch(() => undefined);
  if (before === undefined || before.includes(stateDir)) return;
  throw new StarlingError(
    'STARLING_USAGE',
    `${file.path} is there already, for another node or by somebody else`,
    {
      hint: 'give the node a name of its own: starling up --name <name>; or remove that file first',
    },
  );
}

/**
 * A node that runs in a terminal holds the state folder, so that its service would only fail again and again.
 * @throws STARLING_STATE_LOCKED
 */
async function refuseSecond({ file, stateDir }: ServicePlan, system: ServiceSystem): Promise<void> {
  const running = await statusOf(stateDir);
  if (running === undefined || (await isServiceActive(system, file))) return;
  const { name, pid } = running;
  throw new StarlingError(
    'STARLING_STATE_LOCKED',
    `the node ${name} runs already (pid ${pid}), and not as a service; nothing was written`,
    { hint: 'end it where it runs (Ctrl-C), then: starling service install' },
  );
}

function hints(plan: ServicePlan, { platform, env }: ServiceSystem): readonly string[] {
  const isSystemd = serviceKind(platform) === 'systemd';
  const { environmentFile, variables } = plan;
  const mark = paintTalk.yellow('!');
  const secrets = variables.map((name) =>
    isSystemd
      ? `${mark} the config file names ${name}: write ${name}=… into ${environmentFile} (chmod 600), or keep it with: starling secret set ${name}`
      : `${mark} the config file names ${name}: keep it with: starling secret set ${name}, and name it there as \${secret:${name}}`,
  );
  const linger = `to have it run from boot on, without a login: sudo loginctl enable-linger ${env['USER'] ?? '$USER'}`;
  const log = isSystemd
    ? `what it says: journalctl --user -u ${plan.file.id} -f`
    : `what it says stands in ~/Library/Logs/${plan.file.id}.log`;
  return [...secrets, ...(isSystemd ? [linger] : []), log];
}
