using Backprop.Console.Training;
using Backprop.Training;
using Spectre.Console;

namespace Backprop.Console.Rendering;

/// <summary>Shows a run while it trains: two lines that change in a terminal, a line an epoch where
/// output is redirected.</summary>
internal sealed class TrainingView(CommandEnvironment environment)
{
    private static readonly TimeSpan s_refresh = TimeSpan.FromMilliseconds(100);

    // Short epochs would fill a log with lines that nobody reads.
    private static readonly TimeSpan s_mostOftenLine = TimeSpan.FromSeconds(1);

    /// <summary>Returns when the thread has ended.</summary>
    public void Show<T>(ITrainingSession session, ComputeThread<T> thread)
    {
        if (environment.IsJson)
        {
            TellEvents(session, thread);
        }
        else if (environment.Terminal is IAnsiConsole terminal)
        {
            ShowLive(terminal, session, thread);
        }
        else
        {
            WriteLines(session, thread);
        }
    }

    private void ShowLive<T>(
        IAnsiConsole terminal, ITrainingSession session, ComputeThread<T> thread)
    {
        long started = environment.Time.GetTimestamp();
        terminal.Live(new Text("opening the data"))
            .AutoClear(true)
            .Start(context =>
            {
                while (!thread.Wait(s_refresh))
                {
                    if (session.Extent is not RunExtent extent)
                    {
                        started = environment.Time.GetTimestamp();
                        continue;
                    }

                    (string bar, string numbers) = ProgressLines.Live(
                        session.Progress, extent,
                        environment.Time.GetElapsedTime(started));

                    // One text: rows end with a line's end that clearing does not count.
                    context.UpdateTarget(new Paragraph(Cut(bar), new Style(Color.Blue))
                        .Append("\n" + Cut(numbers)));
                }
            });
    }

    private void WriteLines<T>(ITrainingSession session, ComputeThread<T> thread)
    {
        EpochReport? written = null;
        long writtenAt = 0;
        bool ended;
        do
        {
            ended = thread.Wait(s_refresh);
            EpochReport? last = session.Progress.LastEpoch;
            bool isDue = ended || written is null
                || environment.Time.GetElapsedTime(writtenAt) >= s_mostOftenLine;
            if (last is not null && last != written && isDue)
            {
                environment.Output.WriteLine(ProgressLines.Epoch(last, session.Extent!));
                environment.Output.Flush();
                written = last;
                writtenAt = environment.Time.GetTimestamp();
            }
        }
        while (!ended);
    }

    // Short epochs may pass between two looks; the end has all of them.
    private void TellEvents<T>(ITrainingSession session, ComputeThread<T> thread)
    {
        EpochReport? toldEpoch = null;
        long toldAt = environment.Time.GetTimestamp();
        bool ended;
        do
        {
            ended = thread.Wait(s_refresh);
            ProgressSnapshot progress = session.Progress;
            if (progress.LastEpoch is { } last && last != toldEpoch)
            {
                environment.Tell("epoch", last);
                toldEpoch = last;
            }

            if (!ended && session.Extent is { } extent
                && environment.Time.GetElapsedTime(toldAt) >= s_mostOftenLine)
            {
                environment.Tell("progress", new
                {
                    version = progress.StepsDone,
                    totalSteps = extent.TotalSteps,
                    loss = progress.Loss,
                });
                toldAt = environment.Time.GetTimestamp();
            }
        }
        while (!ended);
    }

    // A line that wraps would leave its rest behind when it is drawn again.
    private string Cut(string line) =>
        line.Length < environment.Width ? line : line[..(environment.Width - 1)];
}
