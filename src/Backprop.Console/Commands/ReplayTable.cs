using System.Globalization;
using Backprop.Console.Rendering;
using Backprop.Console.Training;

namespace Backprop.Console.Commands;

/// <summary>Shows what a replay comes to, line by line.</summary>
internal sealed class ReplayTable(ReplayRequest request, CommandEnvironment environment)
{
    private readonly TextWriter _output =
        environment.IsJson ? TextWriter.Null : environment.Output;

    private readonly List<object> _steps = [];
    private long _same;
    private long _unknown;
    private long _start;

    /// <summary>Steps that came to other bits.</summary>
    public long Different { get; private set; }

    /// <summary>Whether the last step was computed.</summary>
    public bool IsWhole { get; private set; }

    public void Begin(long version)
    {
        _start = version;
        _output.WriteLine(version == 0
            ? $"{request.Name}: from the first weights"
            : $"{request.Name}: from the checkpoint of version {NumberText.Count(version)}");
        _output.WriteLine(
            $"{"step",-12}{"loss",12}  {"digest of the weights it made",-32}  on record");
    }

    public void Add(ReplayedStep step)
    {
        string judgement = step.Differs ? "differs"
            : step.Recorded.IsThere ? "same"
            : "nothing";
        string number = step.Step.ToString(CultureInfo.InvariantCulture);
        _output.WriteLine(
            $"{number,-12}{NumberText.Full(step.Loss),12}  {step.Digest}  {judgement}");
        if (step.Differs)
        {
            _output.WriteLine($"{"",-26}{step.Recorded}  was recorded");
        }

        if (environment.IsJson)
        {
            _steps.Add(new
            {
                step = step.Step,
                loss = step.Loss,
                digest = $"{step.Digest}",
                recorded = step.Recorded.IsThere ? $"{step.Recorded}" : null,
                differs = step.Differs,
            });
        }

        Different += step.Differs ? 1 : 0;
        _same += step is { Differs: false, Recorded.IsThere: true } ? 1 : 0;
        _unknown += step.Recorded.IsThere ? 0 : 1;
        IsWhole |= step.Step >= request.Last;
    }

    public void End(bool startDiffers)
    {
        if (startDiffers)
        {
            _output.WriteLine(
                $"version {NumberText.Count(_start)}, which it began with, is not the one on"
                + " record");
        }

        _output.WriteLine(
            $"{NumberText.Count(_same)} same, {NumberText.Count(Different)} different,"
            + $" {NumberText.Count(_unknown)} not on record");
        if (environment.IsJson)
        {
            environment.Answer(
                new
                {
                    run = request.Name,
                    from = _start,
                    startDiffers,
                    steps = _steps,
                    same = _same,
                    different = Different,
                    unknown = _unknown,
                },
                []);
        }
    }
}
