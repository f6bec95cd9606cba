import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const repository = fileURLToPath(new URL('..', import.meta.url))

export interface Step {
  readonly name: string
  /** A program and its arguments. `node` is the Node that runs this; others are looked for in node_modules/.bin first. */
  readonly command: readonly [string, ...string[]]
  readonly env?: Readonly<Record<string, string>>
  /** `whenFailed` keeps the output of a step that went well to itself. */
  readonly output: 'whenFailed' | 'always'
  /** What to do when it fails. */
  readonly remedy: string
}

/** Runs a step and tells how it went. Answers whether it succeeded. */
export async function run(step: Step): Promise<boolean> {
  const startedAt = performance.now()
  if (step.output === 'always') console.log(`\n▶ ${step.name}`)
  const { code, output } = await execute(step)
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  if (code === 0) {
    console.log(`✔ ${step.name} (${seconds} s)`)
    return true
  }
  console.log(`${output}\n✖ ${step.name} failed after ${seconds} s.\n  ${step.remedy}`)
  return false
}

function execute({
  command: [program, ...args],
  env,
  output,
}: Step): Promise<{ code: number; output: string }> {
  const { promise, resolve } = Promise.withResolvers<{ code: number; output: string }>()
  const stdio = output === 'always' ? 'inherit' : 'pipe'
  const child = spawn(program === 'node' ? process.execPath : program, args, {
    cwd: repository,
    env: { ...process.env, ...env, PATH: `${repository}node_modules/.bin:${process.env.PATH}` },
    stdio: ['ignore', stdio, stdio],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (part) => (text += part))
  child.on('error', (error) => resolve({ code: 1, output: `${program} cannot be run: ${error.message}` }))
  child.on('close', (code) => resolve({ code: code ?? 1, output: text }))
  return promise
}

/** Runs the steps until one fails, and then ends the process with 1. */
export async function runAll(steps: readonly Step[]): Promise<void> {
  for (const step of steps) if (!(await run(step))) process.exit(1)
}

const engineTest = '.engine.test.ts'
const matching = (patterns: readonly string[]) =>
  globSync(patterns, { cwd: repository, exclude: (path) => path === 'node_modules' }).sort()

/** The files that match, in order, without those that need a real broker or database. */
export function files(...patterns: string[]): string[] {
  return matching(patterns).filter((path) => !path.endsWith(engineTest))
}

/** The tests that need a real broker or database: `npm run test:engines` runs them. */
export function engineTests(): string[] {
  return matching([`{packages,tests}/**/*${engineTest}`])
}

export interface TestOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Files that run at a time; as many as cores by default. */
  readonly concurrency?: number
  /** The longest that one test may take. */
  readonly timeoutMs?: number
  readonly remedy?: string
  /** Ends each file after its last test, whatever that left open. */
  readonly forceExit?: boolean
}

/** Node's test runner over these files. */
export function testStep(name: string, paths: readonly string[], options: TestOptions = {}): Step {
  const { concurrency, timeoutMs = 120_000 } = options
  const exit = options.forceExit ? ['--test-force-exit'] : []
  const parallel = concurrency === undefined ? [] : [`--test-concurrency=${concurrency}`]
  return {
    name: `${name} (${paths.length} files)`,
    command: [
      'node',
      '--test',
      `--test-timeout=${timeoutMs}`,
      '--test-reporter=spec',
      ...parallel,
      ...exit,
      ...paths,
    ],
    env: options.env,
    output: 'always',
    remedy: options.remedy ?? 'Run one file again with: npm test -- PART-OF-ITS-PATH',
  }
}
