import { existsSync } from 'node:fs'
import { repository, runAll } from './steps.ts'

/** Runs after `npm install` and `npm ci`: builds the console, which `npm start` only serves. */
if (existsSync(`${repository}packages/console/vite.config.ts`))
  await runAll([
    {
      name: 'console',
      command: ['npm', 'run', 'build', '--silent', '--workspace', '@drover/console'],
      output: 'whenFailed',
      remedy: 'The server runs without it; build it again with: npm run build -w @drover/console',
    },
  ])
