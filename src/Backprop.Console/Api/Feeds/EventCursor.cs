using System.Globalization;

namespace Backprop.Console.Api.Feeds;

/// <summary>How far a reader of a run's events has come: the id of each event. It says all that it
/// takes to go on, on whatever node.</summary>
/// <param name="Epochs">Reports of epochs that it has, from the first on.</param>
/// <param name="Happenings">The number of its last happening.</param>
/// <param name="Points">The place of its last point, which may have grown since; 0: it has none.
/// </param>
internal readonly record struct EventCursor(int Epochs, long Happenings, long Points)
{
    /// <summary>As an event's id.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{Epochs}-{Happenings}-{Points}");

    /// <summary>From an event's id.</summary>
    /// <returns>False: it is none.</returns>
    public static bool TryParse(string text, out EventCursor cursor)
    {
        string[] parts = text.Split('-');
        bool isOne = parts.Length == 3
            & int.TryParse(
                parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int epochs);
        long happenings = 0, points = 0;
        isOne = isOne && long.TryParse(
                parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out happenings)
            && long.TryParse(
                parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out points);
        cursor = isOne ? new EventCursor(epochs, happenings, points) : default;
        return isOne;
    }
}
