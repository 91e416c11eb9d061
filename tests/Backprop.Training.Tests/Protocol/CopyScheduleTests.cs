using Backprop.Training.Protocol;

namespace Backprop.Training.Tests.Protocol;

/// <summary>Copies are made when all servers agree, and cost no more than their share.</summary>
public sealed class CopyScheduleTests
{
    private static readonly CopyOptions s_options =
        new() { Share = 0.02, LeastInterval = Seconds(1) };

    [Fact]
    public void A_version_is_copied_if_all_servers_were_willing()
    {
        CopySchedule schedule = Opened(servers: 3);

        schedule.Say(Seconds(1), endsEpoch: false);
        schedule.EnterOther();
        schedule.Made(7);
        Assert.Null(schedule.Due);

        schedule.Say(Seconds(1), endsEpoch: false);
        schedule.EnterOther();
        schedule.EnterOther();
        schedule.Made(8);
        Assert.Equal(8, schedule.Due);
    }

    [Fact]
    public void A_server_is_not_willing_at_an_epochs_end_or_before_its_time()
    {
        CopySchedule schedule = Opened(servers: 2);

        schedule.Say(Seconds(0.99), endsEpoch: false);
        Assert.False(schedule.IsWilling);
        schedule.Say(Seconds(5), endsEpoch: true);
        Assert.False(schedule.IsWilling);
        schedule.Say(Seconds(5), endsEpoch: false);
        Assert.True(schedule.IsWilling);
    }

    [Theory]
    [InlineData(0.001, 0.01, 1)] // the least interval
    [InlineData(0.1, 0.2, 5)] // 2% of the time is the stall
    [InlineData(0.001, 0.7, 7)] // a tenth of it is fetching
    public void The_next_copy_comes_when_the_last_one_has_cost_no_more_than_its_share(
        double stall, double kept, double next)
    {
        CopySchedule schedule = Opened(servers: 2);
        Copy(schedule, 3, Seconds(stall), Seconds(10));

        schedule.Say(Seconds(1_000), endsEpoch: false);
        Assert.False(schedule.IsWilling); // It is not kept yet.

        schedule.Kept(2, Seconds(10 + kept));
        schedule.Say(Seconds(1_000), endsEpoch: false);
        Assert.False(schedule.IsWilling); // Another one is.

        schedule.Kept(3, Seconds(10 + kept));
        schedule.Say(Seconds(10 + next - 0.01), endsEpoch: false);
        Assert.False(schedule.IsWilling);
        schedule.Say(Seconds(10 + next + 0.01), endsEpoch: false);
        Assert.True(schedule.IsWilling);
    }

    [Fact]
    public void None_are_made_with_a_reason_by_one_server_or_when_switched_off()
    {
        Assert.Contains("no other", new CopySchedule(s_options, 1).OffReason);
        Assert.Contains("off", new CopySchedule(s_options with { Share = 0 }, 2).OffReason);

        CopySchedule schedule = Opened(servers: 2);
        schedule.Say(Seconds(5), endsEpoch: false);
        schedule.EnterOther();
        schedule.TurnOff("no memory");
        schedule.Made(4);
        Assert.Null(schedule.Due);
        schedule.Say(Seconds(50), endsEpoch: false);
        Assert.False(schedule.IsWilling);
        Assert.Equal("no memory", schedule.OffReason);
    }

    [Fact]
    public void A_shelf_keeps_the_newest_whole_version_and_the_one_that_begins()
    {
        var shelf = new CopyShelf<string>();
        Add(shelf, 0, 10);
        Add(shelf, 1, 10);
        Assert.Empty(shelf.Begin(20));
        Add(shelf, 0, 20);
        shelf.Add(Copy(1, 20), "1 at 20", isWhole: false);
        Assert.Null(shelf.Find(20, 1));
        Assert.Equal("1 at 10", shelf.Find(10, 1));

        shelf.MakeWhole(Copy(1, 20));
        Assert.Equal("1 at 20", shelf.Find(20, 1));
        Assert.Equal(["0 at 10", "1 at 10"], shelf.Begin(30).AsEnumerable());

        shelf.Add(Copy(0, 30), "0 at 30", isWhole: false);
        Assert.Equal(["0 at 30"], shelf.KeepOnly(20).AsEnumerable());
        Assert.Equal([Copy(0, 20), Copy(1, 20)], shelf.Whole.AsEnumerable());
        Assert.Equal(2, shelf.KeepOnly(null).Length);
    }

    private static CopySchedule Opened(int servers)
    {
        var schedule = new CopySchedule(s_options, servers);
        schedule.Open(TimeSpan.Zero);
        return schedule;
    }

    private static void Copy(CopySchedule schedule, long version, TimeSpan stall, TimeSpan now)
    {
        schedule.Say(now, endsEpoch: false);
        schedule.EnterOther();
        schedule.Made(version);
        schedule.Taken(stall, now);
    }

    private static void Add(CopyShelf<string> shelf, int block, long version) =>
        shelf.Add(Copy(block, version), $"{block} at {version}", isWhole: true);

    private static SliceCopy Copy(int block, long version) =>
        new(block, block + 1, version, null, null);

    private static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);
}
