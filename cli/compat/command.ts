/** `carrick compat-report`: runs a command as it would run here, on the host's root, and says what it used of Linux and what carrick lacks of that. */
import { writeFileSync } from 'node:fs';
import { toPath, toText } from '../bytes.js';
import { runContainer } from '../container.js';
import { Failure, why } from '../failure.js';
import { type Caller, hereSpec } from '../run-options.js';
import { type ReportFormat, formatReport, makeReport } from './report.js';
import { formatStatic, staticReport } from './static.js';

export interface CompatFlags { readonly format?: string; readonly static?: string; readonly output?: string }

function formatOf(flags: CompatFlags): ReportFormat {
  const { format = 'text' } = flags;
  if (format === 'text' || format === 'json' || format === 'html') return format;
  throw new Failure(`--format is text, json or html; not ${toText(format)}`);
}

function put(text: string, output: string | undefined): void {
  if (output === undefined) { process.stdout.write(text); return; }
  try {
    writeFileSync(toPath(output), text);
  } catch (error) {
    throw new Failure(`cannot write the report to ${toText(output)}: ${why(error)}`, undefined, { cause: error });
  }
}

/** Exit status: the command's; with --static 0. */
export async function compatReport(argv: readonly string[], flags: CompatFlags, caller: Caller): Promise<number> {
  const format = formatOf(flags);
  if (flags.static !== undefined) {
    if (argv.length > 0) throw new Failure('--static runs nothing; leave the command out');
    put(formatStatic(staticReport(toText(flags.static)), format), flags.output);
    return 0;
  }
  if (argv.length === 0) throw new Failure('which command? carrick compat-report -- COMMAND [ARG...]');
  const { status, reports } = await runContainer(hereSpec({}, argv, caller, { mode: 'report', fd: -1 }));
  if (reports.length > 0) put(formatReport(makeReport(argv.map(toText), status, reports), format), flags.output);
  return status;
}
