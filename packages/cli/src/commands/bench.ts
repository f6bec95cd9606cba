import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { DroverError } from '@drover/protocol'
import { Command, CommanderError } from 'commander'
import type { Context } from '../context.ts'

const script = fileURLToPath(new URL('../../../../bench/main.ts', import.meta.url))

export function benchCommand(_context: Context): Command {
  return new Command('bench')
    .description('measure this machine: acknowledged messages, stored points, latency, queries')
    .argument('[arguments...]', 'passed on to the benchmark')
    .allowUnknownOption()
    .addHelpText('after', '\nExample:\n  drover bench\nThe benchmark comes with a checkout of the sources.')
    .action(runBench)
}

async function runBench(args: readonly string[]): Promise<void> {
  if (!existsSync(script)) throw new DroverError('notFound', { kind: 'benchmark at', id: script })
  const child = spawn(process.execPath, [script, ...args], { stdio: 'inherit' })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new CommanderError(code ?? 1, 'bench', 'The benchmark failed.')
}
