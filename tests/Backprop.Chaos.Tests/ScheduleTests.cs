using Backprop.Chaos.Schedules;

namespace Backprop.Chaos.Tests;

/// <summary>A seed says it all.</summary>
public sealed class ScheduleTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_same_seed_gives_the_same_schedule_and_another_one_another(bool isSmall)
    {
        string[] texts =
        [
            .. Enumerable.Range(1, 50).Select(
                seed => string.Join('\n', Schedule.Of(seed, 22, isSmall).Describe())),
        ];
        Assert.Equal(texts.Length, texts.Distinct().Count());
        Assert.Equal(
            texts[6], string.Join('\n', Schedule.Of(7, 22, isSmall).Describe()));
    }

    [Fact]
    public void Fifty_schedules_do_everything_to_every_number_of_workers()
    {
        Schedule[] all = [.. Enumerable.Range(1, 50).Select(seed => Schedule.Of(seed, 22, false))];
        Assert.Equal([1, 2, 3, 5, 7, 8], all.Select(one => one.Workers).Distinct().Order());
        Assert.Equal([1, 2, 3], all.Select(one => one.Servers).Distinct().Order());
        Assert.True(all.Sum(one => one.Faults.Length) >= 1_000);
        Assert.Equal(
            typeof(Fault).GetNestedTypes().Select(kind => kind.Name).Order(),
            all.SelectMany(one => one.Faults).Select(fault => fault.What.GetType().Name)
                .Distinct().Order());
        Assert.Contains(
            all, one => one.Widths.Count(width => width.Length > 0) is > 0 and var narrow
                && narrow < one.Widths.Length);
    }
}
