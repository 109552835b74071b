/** `starling secret set` */
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { SecretSetResult } from '../../../builtin/results.ts';
import { SECRET_NAME_FORM, isSecretName } from '../../../config/secret-name.ts';
import { Secret, StarlingError, messageOf } from '../../../core/index.ts';
import { canAsk } from '../../terminal/questions/ask.ts';
import { askHidden } from '../../terminal/questions/ask-hidden.ts';
import { printData, safeLine } from '../../terminal/output.ts';
import { configFileInUse } from '../../node/locate-node.ts';
import { nodeOrFolder } from '../../node/secret-access.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { readStdin } from '../../terminal/stdin.ts';

interface SetOptions extends CommonOptions {
  readonly file?: string;
}

const FILE_BYTES_MAX = 64 * 1024 + 2;

/** Sets the secret: at the node, or in its folder while none runs. */
export async function run(name: string, options: SetOptions): Promise<void> {
  if (!isSecretName(name)) {
    // The word is not repeated: it may hold the value, typed as NAME=value.
    throw new StarlingError('STARLING_SECRET_INVALID', 'no secret can have this name', {
      hint: `take ${SECRET_NAME_FORM}, like GITHUB_TOKEN; its value is asked for, or read from standard input`,
    });
  }
  const value = await valueOf(name, options);
  const result = await nodeOrFolder<SecretSetResult>(options, {
    makes: true,
    node: (node) =>
      node.builtin('secret_set', {
        name,
        value: value.reveal(),
        blind: randomBytes(32).toString('base64url'),
      }),
    folder: async (secrets, uses) => {
      const { replaced } = await secrets.set(name, value);
      return { name, replaced, usedBy: (await uses()).get(name) ?? [], running: [] };
    },
  });
  const file = options.json === true ? '' : await configFileInUse(options);
  printData(result, options.json === true, () => show(result, file));
}

function show({ name, replaced, usedBy, running }: SecretSetResult, file: string): string {
  return [
    `${replaced ? 'replaced' : 'set'} ${name}`,
    safeLine(
      usedBy.length === 0
        ? `no server uses it yet: write \${secret:${name}} into its env or headers in ${file}`
        : `used by ${usedBy.join(', ')}`,
    ),
    ...(running.length === 0
      ? []
      : [
          safeLine(
            `what runs of ${running.join(', ')} goes on with the old value; to restart it, save the config file again, or send the node SIGHUP`,
          ),
        ]),
  ].join('\n');
}

async function valueOf(name: string, options: SetOptions): Promise<Secret> {
  if (options.file === undefined && canAsk()) return askHidden(`value of ${name}: `);
  const text =
    options.file === undefined ? await readStdin(`the value`) : await readStart(options.file);
  if (text.includes('\uFFFD')) {
    throw new StarlingError('STARLING_SECRET_INVALID', `the value of ${name} is not UTF-8 text`, {
      hint: 'encode it first, for instance as base64',
    });
  }
  return new Secret(text.replace(/\r?\n$/, ''));
}

/** Reads one byte more than a value may have, so that a longer value is refused and not cut. */
async function readStart(file: string): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of createReadStream(file, {
      end: FILE_BYTES_MAX,
    }) as AsyncIterable<Buffer>)
      chunks.push(chunk);
  } catch (error) {
    const what = `the file ${file} can't be read: ${messageOf(error)}`;
    throw new StarlingError('STARLING_USAGE', what, { hint: 'check its path', cause: error });
  }
  return Buffer.concat(chunks).toString('utf8');
}
