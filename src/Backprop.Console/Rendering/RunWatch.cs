using System.Text.Json;
using Backprop.Console.Client;
using Backprop.Distributed.Coordination;
using Backprop.Training;
using Backprop.Training.Ensembles;
using Backprop.Training.Protocol;
using Spectre.Console;

namespace Backprop.Console.Rendering;

/// <summary>Follows a run until it is over: a screen that changes in a terminal, lines where output
/// is redirected, events as JSON where that is wanted. A server that is away is waited for, up to a
/// bound.</summary>
internal sealed class RunWatch(ApiClient api, CommandEnvironment environment)
{
    private static readonly TimeSpan s_refresh = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    // Written on the thread that hears, read on the one that shows.
    private volatile FollowedRun _run = FollowedRun.Unknown;
    private string? _troubleWritten;

    /// <summary>Follows it.</summary>
    /// <returns>The program's exit code.</returns>
    public async Task<int> FollowAsync(RunId run, CancellationToken interrupted)
    {
        try
        {
            if (environment.Terminal is { } terminal)
            {
                await terminal.Live(new Text($"waiting for {run}")).AutoClear(true).StartAsync(
                    context => ShowAsync(run, context, terminal, interrupted));
            }
            else
            {
                await HearAsync(run, environment.IsJson ? Tell : Write, interrupted);
            }
        }
        catch (OperationCanceledException) when (interrupted.IsCancellationRequested)
        {
            if (!_run.HasEnded)
            {
                return Leave(run);
            }
        }

        return Report(_run.View ?? throw new ApiUnavailableException(
            $"the events of {run} have ended, and nothing was told of it"));
    }

    private int Leave(RunId run)
    {
        if (!environment.IsJson)
        {
            environment.Output.WriteLine($"{run} goes on without you");
            environment.Output.WriteLine(
                $"'backprop watch {run}' shows it again, 'backprop stop {run}' ends it");
        }

        return ExitCode.Interrupted;
    }

    private async Task HearAsync(
        RunId run, Action<ServerEvent> take, CancellationToken interrupted)
    {
        var follower = new EventFollower(api, environment.Time, s_patience);
        await foreach (ServerEvent told in follower.FollowAsync(
            ApiClient.RunEvents(run), interrupted))
        {
            _run = _run.With(told);
            take(told);
        }
    }

    private async Task ShowAsync(
        RunId run, LiveDisplayContext context, IAnsiConsole terminal,
        CancellationToken interrupted)
    {
        Task hearing = HearAsync(run, _ => { }, interrupted);
        while (!hearing.IsCompleted)
        {
            await Task.WhenAny(hearing, Task.Delay(s_refresh, environment.Time, interrupted));
            context.UpdateTarget(Screen(_run, terminal.Profile.Height));
        }

        await hearing;
    }

    // One text: rows end with a line's end that clearing does not count.
    private Paragraph Screen(FollowedRun run, int height)
    {
        var screen = new Paragraph();
        int forTrouble = run.Stale is null ? 0 : 1;
        string[] lines =
        [
            .. run.View is { } view
                ? RunWatchText.Lines(view, environment.Width, height - forTrouble)
                : ["nothing is known of it yet"],
        ];
        for (int i = 0; i < lines.Length; i++)
        {
            bool isBar = lines[i].Contains('━') || lines[i].Contains('■');
            screen.Append(
                i == 0 ? lines[i] : "\n" + lines[i],
                i == 0 ? new Style(decoration: Decoration.Bold)
                    : isBar ? new Style(Color.Blue) : Style.Plain);
        }

        if (run.Stale is { } stale)
        {
            screen.Append(
                "\n" + RunWatchText.Cut(RunWatchText.Stale(stale), environment.Width),
                new Style(Color.Red));
        }

        return screen;
    }

    private void Tell(ServerEvent told)
    {
        using JsonDocument data = JsonDocument.Parse(told.Data);
        environment.Tell(told.Kind, data.RootElement, told.Id);
    }

    private void Write(ServerEvent told)
    {
        if (_run.Stale is { } stale)
        {
            // It is told again and again, older each time.
            if (stale.Reason != _troubleWritten)
            {
                environment.Error.WriteLine($"backprop: {RunWatchText.Stale(stale)}");
            }
        }

        _troubleWritten = _run.Stale?.Reason;
        switch (told.Kind)
        {
            case "happening" when _run.Happenings[^1] is var last
                && !last.IsRoutine:
                environment.Output.WriteLine(RunWatchText.Happening(last));
                break;
            case "epoch" when _run.Outline is { } view:
                environment.Output.WriteLine(
                    RunWatchText.Epoch(view, told.Read<EpochReport>()));
                break;
            default:
                return;
        }

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

        if (!environment.IsJson)
        {
            var single = new EnsembleResult([result], result.Validation, result.Test);
            foreach (string line in OutcomeText.Report(view.Summary.Id.Value, single, null))
            {
                environment.Output.WriteLine(line);
            }
        }

        if (result.Stop.Kind == StopKind.NonFinite)
        {
            environment.Error.WriteLine(
                $"backprop: training failed: {result.Stop.Reason}. A smaller learning rate, or"
                + " clipping, may help");
            return ExitCode.Failure;
        }

        return ExitCode.Done;
    }
}
