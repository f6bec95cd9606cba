// breaks: no-unresolvable
import '@drover/log/src/index.ts'
