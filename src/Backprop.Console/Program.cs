using Backprop.Console;

return BackpropCommandLine.Run(args, CommandEnvironment.OfProcess());
