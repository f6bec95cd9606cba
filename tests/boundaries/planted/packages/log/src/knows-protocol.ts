// breaks: log-imports-only-node
import '../../protocol/src/index.ts'
