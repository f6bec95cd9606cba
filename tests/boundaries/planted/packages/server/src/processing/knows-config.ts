// breaks: settings-arrive-as-arguments
import '../config.ts'
