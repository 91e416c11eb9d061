using System.CommandLine;
using Backprop.Chaos.Processes;
using Backprop.Faults.Lines;
using Backprop.Faults.Torch;

namespace Backprop.Faults;

/// <summary>The table of what faults cost a run, by clusters of processes on this machine, beside
/// torchrun in the same minutes.</summary>
internal static class Program
{
    private static readonly (string Name, Func<Measurement, Task> MeasureAsync)[] s_parts =
    [
        ("worker", WorkerKills.MeasureAsync),
        ("silence", SilentWorkers.MeasureAsync),
        ("coordinator", CoordinatorKills.MeasureAsync),
        ("server", ServerKills.MeasureAsync),
        ("join", Joins.MeasureAsync),
        ("checkpoint", CheckpointStalls.MeasureAsync),
        ("goodput", Goodput.MeasureAsync),
    ];

    private static Task<int> Main(string[] args)
    {
        string names = string.Join(", ", s_parts.Select(part => part.Name));
        Option<string[]> only = new("--only")
        {
            Description = $"Nothing but these parts: {names}",
            HelpName = "NAME",
            AllowMultipleArgumentsPerToken = true,
        };
        only.AcceptOnlyFromAmong([.. s_parts.Select(part => part.Name)]);
        Option<int> repeats = Number("--repeats", "Faults of each kind", 10);
        Option<double> minutes = Number("--minutes", "How long goodput is measured", 10.0);
        Option<int> seed = Number("--seed", "Of the kills of goodput", 1);
        Option<bool> alone = new("--alone") { Description = "Without torchrun" };
        Option<FileInfo> program = new("--program")
        {
            Description = "The file backprop.dll that nodes run; what is published starts faster",
            HelpName = "FILE",
            DefaultValueFactory = _ => new FileInfo(BackpropProgram.Built),
        };
        program.AcceptExistingOnly();
        var command = new RootCommand("What faults cost a run, here and under torchrun")
        {
            only, repeats, minutes, seed, alone, program,
        };
        command.SetAction(result =>
        {
            string[] chosen = result.GetValue(only) ?? [];
            return MeasureAsync(
                chosen,
                new Measurement(
                    new Report(System.Console.Out), result.GetValue(repeats),
                    result.GetValue(minutes), result.GetValue(seed),
                    !result.GetValue(alone) && PythonProgram.Version is not null,
                    result.GetValue(program)!.FullName));
        });
        return command.Parse(args).InvokeAsync();
    }

    private static async Task<int> MeasureAsync(string[] chosen, Measurement given)
    {
        int failures = 0;
        given.Report.Begin();
        foreach (var part in s_parts)
        {
            if (chosen.Length > 0 && !chosen.Contains(part.Name))
            {
                continue;
            }

            try
            {
                await part.MeasureAsync(given);
            }
            catch (TimeoutException failure)
            {
                failures++;
                given.Report.Fail(part.Name, failure);
            }
        }

        return failures > 0 ? 1 : 0;
    }

    private static Option<T> Number<T>(string name, string description, T usual) => new(name)
    {
        Description = description,
        HelpName = "N",
        DefaultValueFactory = _ => usual,
    };
}
