// breaks: protocol-imports-no-package
import '../../log/src/index.ts'
