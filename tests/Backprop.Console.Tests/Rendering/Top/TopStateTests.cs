using Backprop.Console.Client;
using Backprop.Console.Rendering.Top;
using Backprop.Distributed.Coordination;
using Backprop.Training.Protocol;

namespace Backprop.Console.Tests.Rendering.Top;

/// <summary>What keys and events come to.</summary>
public sealed class TopStateTests
{
    private static readonly TopState s_three = Known.Nothing.Hearing(
        Known.Cluster(("10.0.0.1:8471", "up")),
        Known.Runs(
            Known.Run("c-1", RunStanding.Queued), Known.Run("b-1", RunStanding.Training),
            Known.Run("a-1", RunStanding.Completed)));

    [Fact]
    public void The_newest_run_is_selected_and_keys_move_the_selection()
    {
        Assert.Equal(new RunId("c-1"), s_three.Selected);
        Assert.Equal(new RunId("b-1"), s_three.After(Known.Key('j')).Selected);
        Assert.Equal(
            new RunId("a-1"),
            s_three.After(Known.Key(ConsoleKey.End), Known.Key(ConsoleKey.DownArrow)).Selected);
        Assert.Equal(new RunId("c-1"), s_three.After(Known.Key('k')).Selected);
    }

    [Fact]
    public void The_selection_stays_with_its_run_when_the_list_changes()
    {
        TopState moved = s_three.After(Known.Key('j')).Hearing(Known.Runs(
            Known.Run("d-1", RunStanding.Queued), Known.Run("c-1", RunStanding.Queued),
            Known.Run("b-1", RunStanding.Training)));

        Assert.Equal(new RunId("b-1"), moved.Selected);
    }

    [Fact]
    public void Only_a_yes_stops_a_run()
    {
        TopState asked = s_three.After(Known.Key('s'));

        Assert.Equal(new RunId("c-1"), asked.AskedToStop);
        Assert.Null(asked.Decide(Known.Key('n')).Request);
        Assert.Null(asked.After(Known.Key('n')).AskedToStop);
        Assert.Null(asked.Decide(Known.Key('q')).Request);
        Assert.Equal(
            new TopRequest.Control(new RunId("c-1"), RunControl.Stop),
            asked.Decide(Known.Key('y')).Request);
    }

    [Fact]
    public void Keys_ask_for_what_they_say()
    {
        Assert.Equal(
            new TopRequest.Control(new RunId("c-1"), RunControl.Pause),
            s_three.Decide(Known.Key('p')).Request);
        Assert.Equal(
            new TopRequest.Control(new RunId("c-1"), RunControl.Resume),
            s_three.Decide(Known.Key('r')).Request);
        Assert.IsType<TopRequest.Quit>(s_three.Decide(Known.Key('q')).Request);
        Assert.Null(Known.Nothing.Decide(Known.Key('p')).Request);
        Assert.Null(s_three.Decide(Known.Key('x')).Request);
        Assert.Null(s_three.After(Known.Key(ConsoleKey.End), Known.Key('s')).AskedToStop);
    }

    [Fact]
    public void The_selected_run_and_the_open_ones_are_followed_until_they_end()
    {
        TopState over = s_three.After(Known.Key(ConsoleKey.End));

        Assert.Equal(["a-1", "c-1", "b-1"], over.Wanted().Select(run => run.Value));
        Assert.DoesNotContain(
            new RunId("a-1"),
            over.Hearing("a-1", new ServerEvent("end", "1-1-1", "{}")).Wanted());
    }

    [Fact]
    public void However_many_runs_there_are_few_are_followed()
    {
        TopState many = Known.Nothing.Hearing(Known.Runs(
            [.. Enumerable.Range(0, 100).Select(i => Known.Run($"r-{i}", RunStanding.Queued))]));

        Assert.Equal(TopState.MaxFollowed, many.Wanted().Length);
    }

    [Fact]
    public void The_detail_is_left_when_its_run_has_gone()
    {
        TopState detail = s_three.After(Known.Key(ConsoleKey.Enter));

        Assert.Equal(TopPage.Detail, detail.Page);
        Assert.Equal(TopPage.Runs, detail.After(Known.Key(ConsoleKey.Escape)).Page);
        Assert.Equal(
            TopPage.Runs,
            detail.Hearing(Known.Runs(Known.Run("z-1", RunStanding.Queued))).Page);
    }

    [Fact]
    public void Events_that_are_told_again_change_nothing()
    {
        ServerEvent[] told =
        [
            Known.View(Known.Run("b-1", RunStanding.Training), 0.01),
            Known.Happening(1, "it has begun"), Known.Happening(2, "a worker has joined"),
            Known.Points(0, 3, 2, 1),
        ];
        FollowedRun once = told.Aggregate(FollowedRun.Unknown, (run, one) => run.With(one));
        FollowedRun twice = told.Aggregate(once, (run, one) => run.With(one));

        Assert.Equal(once.Happenings, twice.Happenings);
        Assert.Equal(once.Losses.Spread(3), twice.Losses.Spread(3));
        Assert.Equal([3, 2, 1], once.Losses.Spread(3));
    }

    [Fact]
    public void A_million_steps_are_no_more_than_a_line_needs()
    {
        LossTrace trace = LossTrace.Empty;
        for (int first = 0; first < 100_000; first += 500)
        {
            ServerEvent points = Known.Points(
                first, [.. Enumerable.Range(first, 500).Select(step => 1.0 / (step + 1))]);
            trace = trace.With(points.Read<Backprop.Console.Api.CurveTable>());
        }

        IReadOnlyList<double> spread = trace.Spread(20);
        Assert.Equal(spread.OrderDescending(), spread);
        Assert.Equal(1.0 / 100_000, trace.Last);
        Assert.Equal(100_000, trace.End);
    }
}
