using Backprop.Console.Client;
using Backprop.Distributed.Coordination;
using Backprop.Training;
using Backprop.Training.Ensembles;
using Backprop.Training.Protocol;
using Spectre.Console;

namespace Backprop.Console.Rendering;

/// <summary>Follows a run until it is over: a screen that changes in a terminal, lines where output
/// is redirected. A server that is away is waited for, up to a bound.</summary>
internal sealed class RunWatch(ApiClient api, CommandEnvironment environment)
{
    private static readonly TimeSpan s_refresh = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    private RunView? _view;
    private string? _trouble;
    private int _epochsWritten;
    private DateTimeOffset _happeningsWritten = DateTimeOffset.MinValue;

    /// <summary>Follows it.</summary>
    /// <returns>The program's exit code.</returns>
    public async Task<int> FollowAsync(RunId run, CancellationToken interrupted)
    {
        if (environment.Terminal is { } terminal)
        {
            await terminal.Live(new Text($"waiting for {run}")).AutoClear(true).StartAsync(
                context => FollowAsync(
                    run, () => context.UpdateTarget(Screen()), interrupted));
        }
        else
        {
            await FollowAsync(run, WriteLines, interrupted);
        }

        if (interrupted.IsCancellationRequested && !IsOver(_view))
        {
            environment.Output.WriteLine(
                $"{run} goes on without you; 'backprop watch {run}' shows it again,"
                + $" 'backprop stop {run}' ends it");
            return ExitCode.Interrupted;
        }

        return Report(_view!);
    }

    private static bool IsOver(RunView? view) => view?.Summary.Standing
        is RunStanding.Completed or RunStanding.Failed or RunStanding.Stopped;

    private async Task FollowAsync(RunId run, Action show, CancellationToken interrupted)
    {
        long heard = environment.Time.GetTimestamp();
        while (!interrupted.IsCancellationRequested)
        {
            try
            {
                _view = await api.RunAsync(run, interrupted);
                _trouble = null;
                heard = environment.Time.GetTimestamp();
            }
            catch (ApiUnavailableException away)
                when (environment.Time.GetElapsedTime(heard) < s_patience)
            {
                _trouble = $"{away.Message} (tried for {s_patience.TotalMinutes:0} minutes)";
            }
            catch (OperationCanceledException) when (interrupted.IsCancellationRequested)
            {
                return;
            }

            show();
            if (IsOver(_view))
            {
                return;
            }

            await WaitAsync(interrupted);
        }
    }

    private async Task WaitAsync(CancellationToken interrupted)
    {
        try
        {
            await Task.Delay(s_refresh, environment.Time, interrupted);
        }
        catch (OperationCanceledException)
        {
            // The caller looks whether it was interrupted.
        }
    }

    // One text: rows end with a line's end that clearing does not count.
    private Paragraph Screen()
    {
        var screen = new Paragraph();
        string[] lines =
            [.. _view is null ? [] : RunWatchText.Lines(_view, environment.Width)];
        for (int i = 0; i < lines.Length; i++)
        {
            bool isBar = lines[i].Contains('━') || lines[i].Contains('■');
            screen.Append(
                i == 0 ? lines[i] : "\n" + lines[i],
                i == 0 ? new Style(decoration: Decoration.Bold)
                    : isBar ? new Style(Color.Blue) : Style.Plain);
        }

        if (_trouble is { } trouble)
        {
            screen.Append("\n" + trouble, new Style(Color.Red));
        }

        return screen;
    }

    private void WriteLines()
    {
        if (_trouble is { } trouble)
        {
            environment.Error.WriteLine($"backprop: {trouble}");
            _trouble = null;
        }

        if (_view is not { } view)
        {
            return;
        }

        foreach (HappeningView happening in view.Happenings.Where(
            happening => happening.At > _happeningsWritten))
        {
            _happeningsWritten = happening.At;
            if (!RunWatchText.IsRoutine(happening))
            {
                environment.Output.WriteLine(RunWatchText.Happening(happening));
            }
        }

        // A run that went back to a checkpoint has fewer epochs than before.
        _epochsWritten = Math.Min(_epochsWritten, view.History.Length);
        foreach (EpochReport report in view.History.Skip(_epochsWritten))
        {
            environment.Output.WriteLine(RunWatchText.Epoch(view, report));
        }

        _epochsWritten = view.History.Length;
        environment.Output.Flush();
    }

    private int Report(RunView view)
    {
        if (view.Result is not { } result)
        {
            environment.Error.WriteLine(
                $"backprop: {view.Summary.Id} {RunWatchText.Standing(view.Summary.Standing)}:"
                + $" {view.Summary.Reason}");
            return ExitCode.Failure;
        }

        var single = new EnsembleResult([result], result.Validation, result.Test);
        foreach (string line in OutcomeText.Report(view.Summary.Id.Value, single, null))
        {
            environment.Output.WriteLine(line);
        }

        if (result.Stop.Kind == StopKind.NonFinite)
        {
            environment.Error.WriteLine($"backprop: training failed: {result.Stop.Reason}");
            return ExitCode.Failure;
        }

        return ExitCode.Done;
    }
}
