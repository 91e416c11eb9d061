using System.Globalization;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Persistence;

namespace Backprop.Console.Diagnosis;

/// <summary>Looks at the directories that a node reads and writes, and at the room in them.
/// </summary>
internal static class DirectoryCheck
{
    private const long LittleRoom = 2L << 30;
    private const long NoRoom = 100L << 20;

    public static IEnumerable<Finding> Examine(NodeConfiguration node)
    {
        if (node.State.Options is PersistenceOptions.Sqlite sqlite)
        {
            yield return Written("state", sqlite.Directory, "backprop.persistence.directory");
        }

        if (node.Member.Roles.HasFlag(NodeRoles.Worker))
        {
            yield return Read(node.Data.Directory);
            yield return Written("data cache", node.Data.Cache, "backprop.data.cache");
        }
    }

    private static Finding Read(string directory)
    {
        const string check = "data";
        const string key = "backprop.data.directory";
        string full = Path.GetFullPath(directory);
        try
        {
            int entries = Directory.EnumerateFileSystemEntries(full).Take(1).Count();
            return entries > 0
                ? Finding.Ok(check, $"{full} can be read")
                : Finding.Warning(
                    check, $"{full} is empty",
                    $"put the data there, mount them, or set {key} to where they are");
        }
        catch (DirectoryNotFoundException)
        {
            return Finding.Problem(
                check, $"there is no directory {full}", $"make it, or correct {key}");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return Finding.Problem(
                check, $"{full} cannot be read: {failure.Message}",
                $"give this user the right to, or correct {key}");
        }
    }

    private static Finding Written(string check, string directory, string key)
    {
        string full = Path.GetFullPath(directory);
        string there = full;
        while (!Directory.Exists(there) && Path.GetDirectoryName(there) is { } above)
        {
            there = above;
        }

        string made = there == full ? "" : ", which does not exist yet,";
        try
        {
            string probe = Path.Combine(there, $".backprop-doctor-{Guid.NewGuid():N}");
            using (File.Create(probe, 1, FileOptions.DeleteOnClose))
            {
            }

            return Room(check, $"{full}{made} can be written", there);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return Finding.Problem(
                check, $"{full}{made} cannot be written: {failure.Message}",
                $"give this user the right to, or set {key} to another directory");
        }
    }

    private static Finding Room(string check, string text, string directory)
    {
        long free = new DriveInfo(directory).AvailableFreeSpace;
        string room = string.Create(
            CultureInfo.InvariantCulture, $"{text}; {free >> 20:N0} MiB are free");
        const string advice = "make room: each checkpoint takes three times the size of its"
            + " network with Adam, and two are kept";
        return free < NoRoom ? Finding.Problem(check, room, advice)
            : free < LittleRoom ? Finding.Warning(check, room, advice)
            : Finding.Ok(check, room);
    }
}
