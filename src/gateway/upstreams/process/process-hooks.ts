/** What whoever starts a process may put between the process and its channel. */

/** Lines of a program that speaks no MCP, and the messages of MCP that they stand for. */
export interface LineCodec {
  /** What the program is sent for a message of ours, and what is answered in its place. */
  toProgram(message: Buffer): { readonly line?: Buffer; readonly answer?: Buffer };
  /** The message that a line of the program stands for; undefined for a line that is just said. */
  fromProgram(line: Buffer): Buffer | undefined;
}

/** Who hears of a process what its channel does not carry. All are optional. */
export interface ProcessHooks {
  /** The process is there. */
  spawned?(this: void, pid: number): void;
  /** A line that is no message, without the secrets of the process's environment. */
  wrote?(this: void, line: string): void;
  readonly codec?: LineCodec;
  /** A program with its arguments that starts the command, as `prlimit --data=…`; around the sandbox, too. */
  readonly within?: readonly string[];
}
