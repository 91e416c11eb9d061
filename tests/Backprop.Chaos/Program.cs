using System.CommandLine;
using Backprop.Chaos;
using Backprop.Chaos.Schedules;

// Runs schedules of faults, one after the other, on clusters of real processes.
Option<int> schedules = Number("--schedules", "Schedules to run", 50);
Option<int> seed = Number("--seed", "The first one's seed; the others follow", 1);
Option<int> faults = Number("--faults", "Faults in each", 22);
Option<Schedule.Kind?> only = new("--only") { Description = "Nothing but this happens" };
Option<bool> small = new("--small") { Description = "Clusters as the tests have them" };
Option<bool> verbose = new("--verbose") { Description = "Says what happens meanwhile" };
var command = new RootCommand("Faults on clusters of real processes, by seeded schedules")
{
    schedules, seed, faults, only, small, verbose,
};
command.SetAction(async result =>
{
    string directory = Directory.CreateTempSubdirectory("backprop-chaos-").FullName;
    var report = new ChaosReport(Console.Out);
    int count = result.GetValue(faults);
    var undisturbed = new Dictionary<string, string>();
    for (int i = 0; i < result.GetValue(schedules); i++)
    {
        Schedule schedule = Schedule.Of(
            result.GetValue(seed) + i, count, result.GetValue(small), result.GetValue(only));
        string specification = ChaosSpecification.ForSchedule(schedule.Seed, count);
        if (!undisturbed.TryGetValue(specification, out string? weights))
        {
            weights = ChaosSpecification.Undisturbed(specification, directory);
            undisturbed.Add(specification, weights);
            Console.WriteLine($"undisturbed: {weights}");
        }

        string place = Path.Combine(directory, $"seed-{schedule.Seed}");
        using var run = new ScheduleRun(
            schedule, specification, place, result.GetValue(verbose) ? Console.Out : null);
        report.Add(schedule, await run.GoAsync(), weights);
    }

    report.Close();
    if (!report.HasFailures)
    {
        Directory.Delete(directory, recursive: true);
    }

    return report.HasFailures ? 1 : 0;
});
return await command.Parse(args).InvokeAsync();

static Option<int> Number(string name, string description, int usual) => new(name)
{
    Description = description,
    HelpName = "N",
    DefaultValueFactory = _ => usual,
};
