import { spawnSync } from 'node:child_process'
import { files, run, runAll, type Step, testStep } from './steps.ts'

/**
 * `npm run test:ci`: the tests that take long or need something installed, after `npm test` passed. What they need is
 * installed here, on Debian and its kin.
 */
const programs = {
  chromium: 'chromium',
  strace: 'strace',
  mosquitto: 'mosquitto',
  mosquitto_pub: 'mosquitto-clients',
}

const isThere = (program: string) => spawnSync('which', [program], { stdio: 'ignore' }).status === 0
const missing = Object.entries(programs).filter(([program]) => !isThere(program))

if (missing.length > 0) {
  const apt = (name: string, ...args: string[]): Step => ({
    name,
    command: process.getuid?.() === 0 ? ['apt-get', ...args] : ['sudo', '-n', 'apt-get', ...args],
    env: { DEBIAN_FRONTEND: 'noninteractive' },
    output: 'whenFailed',
    remedy: `Install by hand what is missing: ${missing.map(([program]) => program).join(', ')}`,
  })
  // The list may be old and still good enough.
  await run(apt('list of packages', 'update', '-qq'))
  const packages = missing.map(([, name]) => name)
  await runAll([
    apt(`install ${packages.join(', ')}`, 'install', '-qq', '-y', '--no-install-recommends', ...packages),
  ])
}

await runAll([
  testStep(
    'faults, fuzzing, full replay and browser',
    files(
      'tests/{faults,browser,e2e,regression}/**/*.test.ts',
      'packages/*/src/**/*{faults,fuzz,kill}*.test.ts',
    ),
    {
      concurrency: 1,
      timeoutMs: 1_500_000,
      env: { DROVER_FULL: '1', DROVER_FAULT_ROUNDS: '20', DROVER_FUZZ_PACKETS: '100000' },
    },
  ),
])
